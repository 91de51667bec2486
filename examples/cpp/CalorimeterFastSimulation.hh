#pragma once

#include <memory>
#include <string>
#include <vector>

#include "G4FastSimHitMaker.hh"
#include "G4VFastSimulationModel.hh"

#include "ShowerInference.hh"

/// Kills the particle that enters a calorimeter and deposits a learned shower in its place.
///
/// The envelope is a region whose root volume is the calorimeter, a box. G4FastSimHitMaker hands the hits to the sensitive
/// detectors in it: as G4FastHit to a G4VFastSimSensitiveDetector, and to any other as a G4Step in the cell.
class CalorimeterFastSimulation : public G4VFastSimulationModel {
 public:
  /// frontFace: z of the front face in the envelope's own coordinates (minus half of its depth, for a box).
  CalorimeterFastSimulation(const G4String& name, G4Region* envelope, const std::string& onnxFile, G4double frontFace);

  /// The particle that the generator was trained on, and no other.
  G4bool IsApplicable(const G4ParticleDefinition& particle) override;
  /// Every condition lies in the trained range; a particle that was not trained off the axis is on it.
  G4bool ModelTrigger(const G4FastTrack& track) override;
  void DoIt(const G4FastTrack& track, G4FastStep& step) override;

 private:
  G4double Value(const std::string& condition, const G4FastTrack& track) const;

  ShowerInference fInference;
  G4FastSimHitMaker fHitMaker;
  G4double fFrontFace;
  std::vector<float> fConditions;
  std::vector<float> fNoise;
};
