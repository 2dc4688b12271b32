// The native core without Python: environments, searches and trajectory kernels, each with one
// thread and with four, which must give the same bytes. tests/sanitize.py builds this with a
// sanitizer, which sees every access here; under the interpreter it sees ours alone.
//
// The program exits with 0 if all agree; else it says what differed. It takes seconds, or some
// minutes under a sanitizer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <vector>

namespace rollout::stress {

inline std::uint64_t Mixed(std::uint64_t key) {
  key = (key ^ key >> 30) * 0xBF58476D1CE4E5B9;
  key = (key ^ key >> 27) * 0x94D049BB133111EB;
  return key ^ key >> 31;
}

// A hash of all that was written, in the order in which it was noted.
class Notes {
 public:
  template <class T>
  void Add(const T* at, std::size_t count) {
    const auto* const bytes = reinterpret_cast<const unsigned char*>(at);
    for (std::size_t i = 0; i < count * sizeof(T); ++i) hash_ = (hash_ ^ bytes[i]) * 0x100000001B3;
  }
  template <class T>
  void Add(const std::vector<T>& values) {
    Add(values.data(), values.size());
  }
  std::uint64_t hash() const { return hash_; }

 private:
  std::uint64_t hash_ = 0xCBF29CE484222325;
};

inline int faults = 0;

// Runs `body(threads, notes)` with one thread and with more, and compares.
void Compare(const char* name, const auto& body) {
  constexpr int kThreads[] = {1, 4};
  std::uint64_t hashes[2];
  for (int i = 0; i < 2; ++i) {
    Notes notes;
    body(kThreads[i], notes);
    hashes[i] = notes.hash();
  }
  const bool same = hashes[0] == hashes[1];
  std::printf("%-52s %s\n", name, same ? "same" : "DIFFERS");
  std::fflush(stdout);
  faults += same ? 0 : 1;
}

void Environments();
void Searches();
void Games();
void Trajectories();

}  // namespace rollout::stress
