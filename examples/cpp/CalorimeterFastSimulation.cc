#include "CalorimeterFastSimulation.hh"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "G4FastHit.hh"
#include "G4FastStep.hh"
#include "G4FastTrack.hh"
#include "G4ParticleDefinition.hh"
#include "G4PhysicalConstants.hh"
#include "G4SystemOfUnits.hh"
#include "G4ThreeVector.hh"
#include "G4Track.hh"
#include "Randomize.hh"

namespace {
constexpr G4double kAtFront = 0.01 * mm;   // a particle starts its shower where it enters, not on its way
constexpr G4double kCentred = 1.0 * mm;    // how far off the axis a particle may be that was trained on the axis
constexpr G4double kStraight = 1e-3 * rad;

G4double UnitOf(const std::string& name) {
  if (name == "GeV") return GeV;
  if (name == "mm") return mm;
  if (name == "rad") return rad;
  throw std::runtime_error("no unit '" + name + "'");
}
}  // namespace

CalorimeterFastSimulation::CalorimeterFastSimulation(const G4String& name, G4Region* envelope,
                                                     const std::string& onnxFile, G4double frontFace)
    : G4VFastSimulationModel(name, envelope), fInference(onnxFile), fFrontFace(frontFace) {
  fConditions.resize(fInference.Conditions().size());
  fNoise.resize(fInference.NoiseLength());
}

G4bool CalorimeterFastSimulation::IsApplicable(const G4ParticleDefinition& particle) {
  return particle.GetParticleName() == fInference.Particle();
}

G4double CalorimeterFastSimulation::Value(const std::string& condition, const G4FastTrack& track) const {
  const G4ThreeVector direction = track.GetPrimaryTrackLocalDirection();
  if (condition == "incident_energy") return track.GetPrimaryTrack()->GetKineticEnergy();
  if (condition == "impact_x") return track.GetPrimaryTrackLocalPosition().x();
  if (condition == "impact_y") return track.GetPrimaryTrackLocalPosition().y();
  if (condition == "polar_angle") return direction.theta();
  if (condition == "azimuthal_angle") return direction.phi() < 0 ? direction.phi() + twopi : direction.phi();
  throw std::runtime_error("the generator wants the condition '" + condition + "', which a track has not");
}

G4bool CalorimeterFastSimulation::ModelTrigger(const G4FastTrack& track) {
  if (std::abs(track.GetPrimaryTrackLocalPosition().z() - fFrontFace) > kAtFront) return false;
  if (track.GetPrimaryTrackLocalDirection().z() <= 0) return false;
  const auto& conditions = fInference.Conditions();
  for (const auto& one : conditions) {
    const G4double value = Value(one.name, track) / UnitOf(one.unit);
    if (value < one.low || value > one.high) return false;
  }
  const auto trained = [&](const char* name) {
    return std::any_of(conditions.begin(), conditions.end(), [&](const auto& one) { return one.name == name; });
  };
  for (const char* name : {"impact_x", "impact_y"})
    if (!trained(name) && std::abs(Value(name, track)) > kCentred) return false;
  return trained("polar_angle") || Value("polar_angle", track) < kStraight;
}

void CalorimeterFastSimulation::DoIt(const G4FastTrack& track, G4FastStep& step) {
  const auto& conditions = fInference.Conditions();
  for (std::size_t i = 0; i < conditions.size(); ++i)
    fConditions[i] = static_cast<float>(Value(conditions[i].name, track) / UnitOf(conditions[i].unit));
  // Geant4's own random engine: the event is then a function of Geant4's seed alone.
  std::generate(fNoise.begin(), fNoise.end(), [] { return static_cast<float>(G4RandGauss::shoot()); });

  step.KillPrimaryTrack();
  step.SetPrimaryTrackPathLength(0.0);
  // What the step itself deposits stays 0: the hits hold the energy, and would hold it twice.
  step.SetTotalEnergyDeposited(0.0);

  const auto& energies = fInference.Energies(fConditions, fNoise);
  const auto& cells = fInference.Cells();
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (energies[i] <= 0.0f) continue;
    // Hits are given in the envelope's coordinates.
    const G4ThreeVector place(cells[i][0] * mm, cells[i][1] * mm, fFrontFace + cells[i][2] * mm);
    fHitMaker.make(G4FastHit(place, energies[i] * MeV), track);
  }
}
