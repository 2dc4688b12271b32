// Keywords from Python, taken one by one with their rules.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "module.h"

namespace rollout::bindings {

// The keywords of one make_vec call. Each getter takes one by name, checks it, or gives the
// default; what no getter took is an error. Errors name the environment and the keyword.
class Kwargs {
 public:
  Kwargs(std::string id, py::dict values) : id_(std::move(id)), values_(std::move(values)) {}

  std::int64_t Int(const char* name, std::int64_t otherwise, std::int64_t low = INT64_MIN,
                   std::int64_t high = INT64_MAX);
  double Double(const char* name, double otherwise, double low, double high);
  bool Bool(const char* name, bool otherwise);
  std::string String(const char* name, const std::string& otherwise);
  // One of `choices`, as its index.
  std::size_t Choice(const char* name, const std::vector<std::string>& choices,
                     std::size_t otherwise = 0);
  // Any object, for the caller to convert; None if it was not given.
  py::object Object(const char* name);

  void RefuseRest() const;
  // Whether a getter has taken (or given the default of) this name.
  bool Took(const char* name) const { return resolved_.contains(name); }

  // Every keyword with the repr of its value in force, defaults included: environments with equal
  // ones are the same environment.
  const std::map<std::string, std::string>& resolved() const { return resolved_; }

 private:
  py::object Take(const char* name, py::object otherwise);
  [[noreturn]] void Refuse(const char* name, const std::string& rule,
                           const py::object& value) const;

  std::string id_;
  py::dict values_;
  std::map<std::string, std::string> resolved_;
};

}  // namespace rollout::bindings
