// Declares the parts of rollout._native: one Bind function a file, all called by module.cc.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

namespace rollout::bindings {

namespace py = pybind11;

void BindCore(py::module_& m);
void BindDraw(py::module_& m);
void BindChance(py::module_& m);
void BindGrid(py::module_& m);
void BindLibm(py::module_& m);
void BindKitchen(py::module_& m);
void BindLeaves(py::module_& m);
void BindPlugin(py::module_& m);
void BindVec(py::module_& m);
void BindSearch(py::module_& m);
void BindSimultaneous(py::module_& m);
void BindToy(py::module_& m);
void BindTrajectory(py::module_& m);
void BindUct(py::module_& m);

}  // namespace rollout::bindings
