// Without Geant4: the mean response and the time a shower of a generator. mean_response FILE.onnx ENERGY [SHOWERS]

#include <chrono>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <numeric>
#include <random>

#include "ShowerInference.hh"

int main(int argc, char** argv) try {
  if (argc < 3) {
    std::cerr << "usage: mean_response FILE.onnx ENERGY_GEV [SHOWERS]\n";
    return 2;
  }
  ShowerInference inference(argv[1]);
  const double energy = std::atof(argv[2]);
  const int showers = argc > 3 ? std::atoi(argv[3]) : 1000;
  std::vector<float> conditions(inference.Conditions().size(), 0.0f), noise(inference.NoiseLength());
  conditions.front() = static_cast<float>(energy);
  std::mt19937_64 engine(1);
  std::normal_distribution<float> normal;
  double sum = 0;
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < showers; ++i) {
    for (float& one : noise) one = normal(engine);
    const auto& cells = inference.Energies(conditions, noise);
    sum += std::accumulate(cells.begin(), cells.end(), 0.0) / (1000.0 * energy);
  }
  const std::chrono::duration<double, std::milli> elapsed = std::chrono::steady_clock::now() - start;
  std::cout << inference.Particle() << " of " << energy << " GeV: mean response " << sum / showers << ", "
            << elapsed.count() / showers << " ms per shower\n";
  return 0;
} catch (const std::exception& error) {
  std::cerr << "error: " << error.what() << "\n";
  return 1;
}
