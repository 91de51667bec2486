#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <onnxruntime_cxx_api.h>

/// A generator of showers that `simulacra export` wrote: (noise, conditions) to the energy in each cell.
///
/// Everything about it is read from the file. One object is used by one thread: make one a worker.
class ShowerInference {
 public:
  struct Condition {
    std::string name;  // incident_energy, impact_x, impact_y, polar_angle, azimuthal_angle
    std::string unit;  // GeV, mm, rad
    double low;        // the range it was trained on
    double high;
  };

  /// Throws Ort::Exception if the file cannot be read, std::runtime_error if it is not such a generator.
  explicit ShowerInference(const std::string& path);

  const std::string& Particle() const { return fParticle; }
  const std::vector<Condition>& Conditions() const { return fConditions; }
  /// A point in the active medium of each cell, from the middle of the calorimeter's front face [mm].
  const std::vector<std::array<double, 3>>& Cells() const { return fCells; }
  std::size_t NoiseLength() const { return fNoiseLength; }

  /// Return the energy in each cell [MeV]: conditions in the order and units of Conditions(), noise standard normal.
  /// Conditions that are impossible, such as an energy of 0, give NaN in every cell. The vector stays as it is until
  /// the next call.
  const std::vector<float>& Energies(std::vector<float>& conditions, std::vector<float>& noise);

 private:
  std::string Metadata(const char* key);

  Ort::Env fEnvironment{ORT_LOGGING_LEVEL_WARNING, "simulacra"};
  Ort::Session fSession{nullptr};
  Ort::MemoryInfo fMemory{Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault)};
  std::string fParticle;
  std::vector<Condition> fConditions;
  std::vector<std::array<double, 3>> fCells;
  std::size_t fNoiseLength = 0;
  std::vector<float> fEnergies;
};
