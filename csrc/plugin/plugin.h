// Environments from shared libraries and from Python, by the C ABI of include/rollout/env.h.
//
// A Plugin is a description that has been checked and copied; the functions that it points to, and
// the library that holds them, must outlive it. Immutable, so thread-safe. A step costs an indirect
// call more than that of a built-in environment, and a batch of plug-in rows copies its slab before
// each call, so that a failure can put every row back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "include/rollout/env.h"
#include "vec/kernel.h"

namespace rollout {

struct Plugin {
  struct Param {
    std::string name;
    double value, low, high;
  };

  rollout_env raw;  // for its functions and sizes: its pointers to data are not used
  EnvSpec spec;
  std::string summary;
  std::vector<Param> params;

  // Checks a description. Throws std::invalid_argument that names the environment and the rule.
  static std::shared_ptr<const Plugin> From(const rollout_env* raw);
};

// params: one number for each of plugin->params.
std::shared_ptr<const Kernel> MakePluginKernel(std::shared_ptr<const Plugin> plugin,
                                               std::vector<double> params);

// Where a row of any plug-in has its state.
std::byte* PluginState(std::byte* row);
const std::byte* PluginState(const std::byte* row);

}  // namespace rollout
