#include "ShowerInference.hh"

#include <sstream>
#include <stdexcept>

ShowerInference::ShowerInference(const std::string& path) {
  Ort::SessionOptions options;
  // Geant4 runs a thread an event: the threads of a single network would stand in each other's way.
  options.SetIntraOpNumThreads(1);
  options.SetInterOpNumThreads(1);
  options.SetGraphOptimizationLevel(GraphOptimizationLevel::ORT_ENABLE_ALL);
  fSession = Ort::Session(fEnvironment, path.c_str(), options);

  if (Metadata("units") != "MeV") throw std::runtime_error(path + " makes no showers in MeV");
  fParticle = Metadata("particle");

  std::istringstream conditions(Metadata("conditions"));  // "incident_energy GeV 1 100; impact_x mm -50 50"
  for (std::string one; std::getline(conditions, one, ';');) {
    Condition condition;
    std::istringstream words(one);
    if (!(words >> condition.name >> condition.unit >> condition.low >> condition.high))
      throw std::runtime_error(path + ": cannot read the condition '" + one + "'");
    fConditions.push_back(condition);
  }
  if (fConditions.empty() || fConditions.front().name != "incident_energy")
    throw std::runtime_error(path + " does not take the incident energy first");

  std::istringstream cells(Metadata("cell_places"));  // "x y z x y z ..."
  for (std::array<double, 3> c; cells >> c[0] >> c[1] >> c[2];) fCells.push_back(c);
  fNoiseLength = static_cast<std::size_t>(
      fSession.GetInputTypeInfo(0).GetTensorTypeAndShapeInfo().GetShape().at(1));  // input 0 is "noise"
  fEnergies.resize(fCells.size());
}

std::string ShowerInference::Metadata(const char* key) {
  Ort::AllocatorWithDefaultOptions allocator;
  auto value = fSession.GetModelMetadata().LookupCustomMetadataMapAllocated(key, allocator);
  if (!value) throw std::runtime_error(std::string("the generator's file does not tell its '") + key + "'");
  return value.get();
}

const std::vector<float>& ShowerInference::Energies(std::vector<float>& conditions, std::vector<float>& noise) {
  if (conditions.size() != fConditions.size() || noise.size() != fNoiseLength)
    throw std::invalid_argument("conditions or noise are of the wrong length");
  const std::array<std::int64_t, 2> noiseShape{1, static_cast<std::int64_t>(noise.size())};
  const std::array<std::int64_t, 2> conditionShape{1, static_cast<std::int64_t>(conditions.size())};
  const std::array<std::int64_t, 2> cellShape{1, static_cast<std::int64_t>(fEnergies.size())};
  const std::array<Ort::Value, 2> inputs{
      Ort::Value::CreateTensor<float>(fMemory, noise.data(), noise.size(), noiseShape.data(), noiseShape.size()),
      Ort::Value::CreateTensor<float>(fMemory, conditions.data(), conditions.size(), conditionShape.data(),
                                      conditionShape.size())};
  // The output is written where it will be read: nothing is allocated a shower.
  Ort::Value output = Ort::Value::CreateTensor<float>(fMemory, fEnergies.data(), fEnergies.size(), cellShape.data(),
                                                      cellShape.size());
  static constexpr std::array<const char*, 2> inputNames{"noise", "conditions"};
  static constexpr std::array<const char*, 1> outputNames{"output"};
  fSession.Run(Ort::RunOptions{nullptr}, inputNames.data(), inputs.data(), inputs.size(), outputNames.data(), &output,
               1);
  return fEnergies;
}
