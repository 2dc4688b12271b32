#include "core/gauge.h"
#include "stress.h"

int main() {
  using namespace rollout::stress;
  rollout::forced_chunk.store(7);  // all loops go to the threads, however short they are
  Environments();
  Searches();
  Games();
  Trajectories();
  return faults == 0 ? 0 : 1;
}
