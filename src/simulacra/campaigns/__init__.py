"""Campaigns: the tasks of a command on the workers of a Dask cluster, on one machine or many."""

from simulacra.campaigns.scheduler import CampaignWarning, executor_for

__all__ = ["CampaignWarning", "executor_for"]
