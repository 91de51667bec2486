// Without Geant4: a file of `simulacra export --contract par04`, fed as Geant4's example Par04 feeds it, in two threads
// with a session each. par04_showers FILE.onnx ENERGY_GEV [SHOWERS [THETA_RAD]]

#include <onnxruntime_cxx_api.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <numeric>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace {

class Par04Showers {
 public:
  explicit Par04Showers(const std::string& path) {
    Ort::SessionOptions options;
    options.SetIntraOpNumThreads(1);
    options.SetGraphOptimizationLevel(GraphOptimizationLevel::ORT_DISABLE_ALL);  // as in the example's macros
    fSession = Ort::Session(fEnvironment, path.c_str(), options);
    Ort::AllocatorWithDefaultOptions allocator;
    fInput = fSession.GetInputNameAllocated(0, allocator).get();
    fOutput = fSession.GetOutputNameAllocated(0, allocator).get();
  }

  /// Energies in the voxels [GeV]. Throws Ort::Exception with the reason if the file does not answer.
  std::vector<float> Energies(float energy, float phi, float theta) {
    std::array<float, 8> particle{energy, phi, theta, 1};  // the flag of "Par04SiW"
    const std::array<std::int64_t, 2> shape{1, static_cast<std::int64_t>(particle.size())};
    const auto input = Ort::Value::CreateTensor<float>(fMemory, particle.data(), particle.size(), shape.data(), 2);
    const char* inputName = fInput.c_str();
    const char* outputName = fOutput.c_str();
    auto output = fSession.Run(Ort::RunOptions{nullptr}, &inputName, &input, 1, &outputName, 1);
    const float* voxels = output.front().GetTensorData<float>();
    return {voxels, voxels + output.front().GetTensorTypeAndShapeInfo().GetElementCount()};
  }

 private:
  Ort::Env fEnvironment{ORT_LOGGING_LEVEL_FATAL, "par04_showers"};
  Ort::Session fSession{nullptr};
  Ort::MemoryInfo fMemory{Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault)};
  std::string fInput, fOutput;
};

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 3) {
    std::cerr << "usage: par04_showers FILE.onnx ENERGY_GEV [SHOWERS [THETA_RAD]]\n";
    return 2;
  }
  const std::string path = argv[1];
  const float energy = std::strtof(argv[2], nullptr);
  const int showers = argc > 3 ? std::atoi(argv[3]) : 1000;
  const float theta = argc > 4 ? std::strtof(argv[4], nullptr) : 1.5707964f;

  std::array<std::vector<std::vector<float>>, 2> made;
  std::array<std::exception_ptr, 2> errors;
  std::array<std::thread, 2> workers;
  for (std::size_t k = 0; k < workers.size(); ++k)
    workers[k] = std::thread([&, k] {
      try {
        Par04Showers generator(path);
        for (int i = 0; i < showers; ++i) made[k].push_back(generator.Energies(energy, 0, theta));
      } catch (...) {
        errors[k] = std::current_exception();
      }
    });
  for (auto& worker : workers) worker.join();
  for (const auto& error : errors)
    if (error) std::rethrow_exception(error);

  std::set<std::vector<float>> different;
  double sum = 0;
  for (const auto& one : made)
    for (const auto& shower : one) {
      sum += std::accumulate(shower.begin(), shower.end(), 0.0);
      different.insert(shower);
    }
  std::cout << energy << " GeV: " << sum / (2 * showers) << " GeV in " << made[0].front().size() << " voxels on average, "
            << different.size() << " different showers of " << 2 * showers << " from two threads\n";
  return 0;
} catch (const std::exception& error) {
  std::cerr << "error: " << error.what() << "\n";
  return 1;
}
