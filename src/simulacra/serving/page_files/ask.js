// Requests to the service. The token is kept here, in memory, and nowhere else.

let token = "";

export function useToken(given) {
  token = given;
}

export class Refusal extends Error {
  constructor(status, told) {
    super(told.what_to_do ? `${told.what}: ${told.what_to_do}` : told.what);
    this.status = status;
  }
}

async function asked(path, options = {}) {
  const headers = { Accept: "application/json", ...options.headers };
  if (token) headers.Authorization = `Bearer ${token}`;
  let answer;
  try {
    answer = await fetch(path, { ...options, headers, cache: "no-store" });
  } catch {
    throw new Refusal(0, { what: "The service does not answer", what_to_do: "see whether it still runs" });
  }
  const told = await answer.json();
  if (!answer.ok) throw new Refusal(answer.status, told);
  return told;
}

export const listModels = () => asked("/models").then((told) => told.models);

export const describeModel = (name) => asked(`/models/${encodeURIComponent(name)}`);

export const makeEvents = (name, request) =>
  asked(`/models/${encodeURIComponent(name)}/events`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(request),
  });

export const referenceMean = (name, conditions) => {
  const query = new URLSearchParams();
  for (const key of ["incident_energy", "impact_x", "impact_y", "polar_angle"]) {
    if (typeof conditions[key] === "number") query.set(key, conditions[key]);
  }
  return asked(`/models/${encodeURIComponent(name)}/reference?${query}`);
};
