#include "kwargs.h"

#include <sstream>

namespace rollout::bindings {

py::object Kwargs::Take(const char* name, py::object otherwise) {
  const py::object value = values_.contains(name) ? values_.attr("pop")(name) : otherwise;
  resolved_[name] = py::repr(value).cast<std::string>();
  return value;
}

void Kwargs::Refuse(const char* name, const std::string& rule, const py::object& value) const {
  throw py::value_error(id_ + ": " + name + ": expected " + rule + ", got " +
                        py::repr(value).cast<std::string>());
}

std::int64_t Kwargs::Int(const char* name, std::int64_t otherwise, std::int64_t low,
                         std::int64_t high) {
  const py::object value = Take(name, py::int_(otherwise));
  std::string rule = "an integer";
  if (low != INT64_MIN) rule += " >= " + std::to_string(low);
  if (high != INT64_MAX) {
    rule += (low != INT64_MIN ? " and <= " : " <= ") + std::to_string(high);
  }
  if (py::isinstance<py::bool_>(value) || !PyIndex_Check(value.ptr())) Refuse(name, rule, value);
  const auto whole = py::reinterpret_steal<py::object>(PyNumber_Index(value.ptr()));
  int overflow = 0;
  const std::int64_t out = PyLong_AsLongLongAndOverflow(whole.ptr(), &overflow);
  if (overflow != 0 || out < low || out > high) Refuse(name, rule, value);
  return out;
}

double Kwargs::Double(const char* name, double otherwise, double low, double high) {
  const py::object value = Take(name, py::float_(otherwise));
  std::ostringstream rule;
  rule << "a number in [" << low << ", " << high << "]";
  const double out = PyFloat_AsDouble(value.ptr());
  if (PyErr_Occurred() != nullptr) {
    PyErr_Clear();
    Refuse(name, rule.str(), value);
  }
  if (!(out >= low && out <= high)) Refuse(name, rule.str(), value);
  return out;
}

bool Kwargs::Bool(const char* name, bool otherwise) {
  const py::object value = Take(name, py::bool_(otherwise));
  if (!py::isinstance<py::bool_>(value)) Refuse(name, "True or False", value);
  return value.cast<bool>();
}

std::string Kwargs::String(const char* name, const std::string& otherwise) {
  const py::object value = Take(name, py::str(otherwise));
  if (!py::isinstance<py::str>(value)) Refuse(name, "a string", value);
  return value.cast<std::string>();
}

std::size_t Kwargs::Choice(const char* name, const std::vector<std::string>& choices,
                           std::size_t otherwise) {
  const py::object value = Take(name, py::str(choices[otherwise]));
  std::string rule = "one of";
  for (std::size_t i = 0; i < choices.size(); ++i) {
    if (py::isinstance<py::str>(value) && value.cast<std::string>() == choices[i]) return i;
    rule += (i == 0 ? " '" : ", '") + choices[i] + "'";
  }
  Refuse(name, rule, value);
}

py::object Kwargs::Object(const char* name) { return Take(name, py::none()); }

void Kwargs::RefuseRest() const {
  for (const auto& [key, value] : values_) {
    const std::string name = py::str(key);
    std::string message = id_ + ": unexpected keyword '" + name + "'; it takes ";
    py::list known;
    for (const auto& [taken, unused] : resolved_) {
      message += (known.empty() ? "" : ", ") + taken;
      known.append(taken);
    }
    const py::list close = py::module_::import("difflib").attr("get_close_matches")(name, known);
    if (!close.empty()) message += "; did you mean '" + close[0].cast<std::string>() + "'?";
    throw py::type_error(message);
  }
}

}  // namespace rollout::bindings
