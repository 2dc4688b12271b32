// The pen that levels are drawn with: walls, and things at random free places.
//
// It borrows a world, its agent and its stream while one level is drawn; not shared, no allocation.
// Order and number of the draws are those of the `minigrid` package, so do not rearrange.
#pragma once

#include <algorithm>
#include <cstdlib>

#include "envs/grid/world.h"

namespace rollout::grid {

struct Point {
  int x = 0, y = 0;
  bool operator==(const Point&) const = default;
};

struct Area {
  int x = 0, y = 0, width = 0, height = 0;
};

class Painter {
 public:
  Painter(const World& world, Agent& agent, NumpyIntegers& rng)
      : world_(world), agent_(agent), rng_(rng) {
    agent_ = {};
    std::fill_n(world_.cells, world_.stride() * world_.height, kWallCell);
    for (int y = 0; y < world_.height; ++y) {
      std::fill_n(&world_.At(0, y), world_.width, kEmptyCell);
    }
  }

  int width() const { return world_.width; }
  int height() const { return world_.height; }
  Area All() const { return {0, 0, width(), height()}; }
  Agent& agent() { return agent_; }
  Point AgentPlace() const { return {agent_.x, agent_.y}; }

  // In [low, high).
  int Draw(int low, int high) { return static_cast<int>(rng_.Integer(low, high)); }
  Color DrawColor() { return kColorsByName[Draw(0, kNumColors)]; }

  Cell Get(Point at) const { return world_.At(at.x, at.y); }
  void Set(Point at, Cell cell) { world_.At(at.x, at.y) = cell; }

  void Across(Point from, int length, Cell cell) {
    for (int i = 0; i < length; ++i) Set({from.x + i, from.y}, cell);
  }
  void Down(Point from, int length, Cell cell) {
    for (int i = 0; i < length; ++i) Set({from.x, from.y + i}, cell);
  }
  void Rectangle(const Area& area, Cell cell) {
    Across({area.x, area.y}, area.width, cell);
    Across({area.x, area.y + area.height - 1}, area.width, cell);
    Down({area.x, area.y}, area.height, cell);
    Down({area.x + area.width - 1, area.y}, area.height, cell);
  }

  void PutAgent(Point at, int direction) {
    agent_.x = static_cast<std::int16_t>(at.x);
    agent_.y = static_cast<std::int16_t>(at.y);
    agent_.direction = static_cast<std::uint8_t>(direction);
  }

  // A free place in the area for a cell, not where the agent is and at least `away` steps from it.
  Point Place(Cell cell, const Area& area, int away = 1) {
    const Point place = FreePlace(area, [&](Point at) {
      return std::abs(at.x - agent_.x) + std::abs(at.y - agent_.y) >= away;
    });
    Set(place, cell);
    return place;
  }

  // A free place in the area, and a direction.
  void PlaceAgent(const Area& area) {
    const Point place = FreePlace(area, [](Point) { return true; });
    PutAgent(place, Draw(0, 4));
  }

 private:
  template <class Accept>
  Point FreePlace(const Area& area, Accept accept) {
    while (true) {
      // the order in which the two are drawn matters
      const int x = Draw(area.x, std::min(area.x + area.width, width()));
      const int y = Draw(area.y, std::min(area.y + area.height, height()));
      if (Get({x, y}) == kEmptyCell && accept({x, y})) return {x, y};
    }
  }

  const World& world_;
  Agent& agent_;
  NumpyIntegers& rng_;
};

}  // namespace rollout::grid
