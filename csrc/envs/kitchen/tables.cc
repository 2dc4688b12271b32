// The precomputed half of a kitchen's layout: potting outcomes, regions and distances.
#include <algorithm>
#include <deque>
#include <stdexcept>
#include <string>

#include "envs/kitchen/layout.h"

namespace rollout::kitchen {
namespace {

std::string Where(const Layout& layout, int cell) {
  return "(x=" + std::to_string(cell / layout.height) +
         ", y=" + std::to_string(cell % layout.height) + ")";
}

// best[mix] = the most that a pot with this mix can still be served for, itself included
void FillPotting(Layout& layout) {
  std::array<double, kNumMixes> best{};
  for (int mix = kNumMixes - 1; mix >= kEmptyMix; --mix) {
    best[mix] = layout.value[mix];
    if (MixSize(mix) == kMaxIngredients) continue;
    for (const Item item : {kOnion, kTomato}) {
      best[mix] = std::max(best[mix], best[AddToMix(mix, item)]);
    }
  }
  for (int mix = kEmptyMix; MixSize(mix) < kMaxIngredients; ++mix) {
    for (const Item item : {kOnion, kTomato}) {
      const double before = best[mix], after = best[AddToMix(mix, item)];
      layout.potting[mix][item == kTomato] = static_cast<std::uint8_t>(
          (before == after ? kOptimal : 0) | (after > 0 ? kViable : 0) |
          (before > 0 && after == 0 ? kCatastrophic : 0) | (before == 0 ? kUseless : 0));
    }
  }
}

void FillRegions(Layout& layout) {
  layout.region.fill(kNoPlace);
  int regions = 0;
  for (int start = 0; start < layout.num_cells; ++start) {
    if (!layout.IsFloor(start) || layout.region[start] != kNoPlace) continue;
    if (regions == 32) {
      throw std::invalid_argument(
          "layout: more than 32 separate pieces of floor; join some of them or use counters");
    }
    std::deque<int> queue = {start};
    layout.region[start] = static_cast<std::uint8_t>(regions);
    while (!queue.empty()) {
      const int cell = queue.front();
      queue.pop_front();
      for (int direction = 0; direction < 4; ++direction) {
        const int next = layout.Ahead(cell, direction);
        if (!layout.IsFloor(next)) {
          layout.touched_by[next] |= 1u << regions;
        } else if (layout.region[next] == kNoPlace) {
          layout.region[next] = static_cast<std::uint8_t>(regions);
          queue.push_back(next);
        }
      }
    }
    ++regions;
  }
  for (int cell = 0; cell < layout.num_cells; ++cell) {
    layout.reach[layout.terrain[cell]] |= layout.touched_by[cell];
  }
  for (const auto& player : layout.players) layout.peopled |= 1u << layout.region[player.cell];
}

// every player must be of some use, and every kind of station in somebody's reach
void CheckReach(const Layout& layout) {
  const auto reach = [&](Terrain terrain) { return (layout.reach[terrain] & layout.peopled) != 0; };
  std::uint32_t useful = 0;
  for (int cell = 0; cell < layout.num_cells; ++cell) {
    const std::uint32_t touched = layout.touched_by[cell] & layout.peopled;
    const bool shared = (touched & (touched - 1)) != 0;
    if (layout.terrain[cell] > kCounter || shared) useful |= touched;
  }
  for (std::size_t i = 0; i < layout.players.size(); ++i) {
    const int cell = layout.players[i].cell;
    if ((useful >> layout.region[cell] & 1) == 0) {
      throw std::invalid_argument(
          "layout: start " + std::to_string(i + 1) + " at " + Where(layout, cell) +
          " is walled in: that player reaches no box, pot or serving cell, and no counter that it "
          "shares with another player; open a wall or move the start");
    }
  }
  const auto check = [](bool reached, const char* what) {
    if (reached) return;
    throw std::invalid_argument(std::string("layout: no player can reach ") + what +
                                "; open a wall, or move a start to its side");
  };
  check(reach(kPot), "a pot (P)");
  check(reach(kServing), "a serving cell (S)");
  check(reach(kDishes), "a dish box (D)");
  check(reach(kOnions) || reach(kTomatoes), "an ingredient box (O or T)");
}

// for each target, a breadth-first walk backwards over (cell, facing) from all poses that face it
void FillDistances(Layout& layout) {
  layout.distance_row.fill(kNoPlace);
  const int poses = layout.num_cells * 4;
  int rows = 0;
  std::vector<int> queue;
  for (int target = 0; target < layout.num_cells; ++target) {
    if (layout.touched_by[target] == 0) continue;
    layout.distance_row[target] = static_cast<std::uint8_t>(rows++);
    layout.distance.resize(static_cast<std::size_t>(rows) * poses, kUnreachable);
    std::uint8_t* const steps = layout.distance.data() + static_cast<std::size_t>(rows - 1) * poses;
    queue.clear();
    const auto reach = [&](int cell, int facing, int distance) {
      std::uint8_t& known = steps[cell * 4 + facing];
      if (known != kUnreachable) return;
      known = static_cast<std::uint8_t>(std::min<int>(distance, kUnreachable - 1));
      queue.push_back(cell * 4 + facing);
    };
    for (int cell = 0; cell < layout.num_cells; ++cell) {
      for (int facing = 0; layout.IsFloor(cell) && facing < 4; ++facing) {
        if (layout.Ahead(cell, facing) == target) reach(cell, facing, 0);
      }
    }
    for (std::size_t head = 0; head < queue.size(); ++head) {
      const int cell = queue[head] / 4, facing = queue[head] % 4;
      const int distance = steps[queue[head]] + 1;
      // the action `facing` ends here from the cell behind, or from here where the way is blocked
      const int behind = layout.Ahead(cell, facing ^ 1);
      for (int before = 0; before < 4; ++before) {
        if (layout.IsFloor(behind)) reach(behind, before, distance);
        if (!layout.IsFloor(layout.Ahead(cell, facing))) reach(cell, before, distance);
      }
    }
  }
}

}  // namespace

void FillTables(Layout& layout) {
  FillPotting(layout);
  FillRegions(layout);
  CheckReach(layout);
  FillDistances(layout);
}

}  // namespace rollout::kitchen
