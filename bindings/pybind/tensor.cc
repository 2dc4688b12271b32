#include "tensor.h"

namespace rollout::bindings {
namespace {

// looked up once; torch is imported by the Python side before any tensor can arrive.
// Leaked on purpose: the interpreter may be gone when statics are destroyed.
struct Names {
  PyObject* tensor_type = py::object(py::module_::import("torch").attr("Tensor")).release().ptr();
  PyObject* data_ptr = PyUnicode_InternFromString("data_ptr");
  PyObject* dtype = PyUnicode_InternFromString("dtype");
  PyObject* is_cpu = PyUnicode_InternFromString("is_cpu");
  PyObject* shape = PyUnicode_InternFromString("shape");
  PyObject* stride = PyUnicode_InternFromString("stride");
};

const Names& GetNames() {
  static const Names* const names = new Names;
  return *names;
}

py::object Own(PyObject* object) {
  if (object == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(object);
}

int ReadInts(py::handle tuple, std::array<std::int64_t, TensorView::kMostDims>& out) {
  const auto size = static_cast<int>(PyTuple_GET_SIZE(tuple.ptr()));
  if (size > TensorView::kMostDims) throw py::value_error("a tensor has more than 16 dimensions");
  for (int i = 0; i < size; ++i) {
    out[static_cast<std::size_t>(i)] = PyLong_AsLongLong(PyTuple_GET_ITEM(tuple.ptr(), i));
  }
  return size;
}

}  // namespace

bool TensorView::RowsContiguous() const {
  std::int64_t run = 1;
  for (int i = dims; i-- > 1;) {
    const auto axis = static_cast<std::size_t>(i);
    if (shape[axis] != 1 && stride[axis] != run) return false;
    run *= shape[axis];
  }
  return true;
}

std::int64_t TensorView::RowElements() const {
  std::int64_t count = 1;
  for (int i = 1; i < dims; ++i) count *= shape[static_cast<std::size_t>(i)];
  return count;
}

TensorView ReadTensor(py::handle tensor, const char* what) {
  const Names& names = GetNames();
  if (!PyObject_TypeCheck(tensor.ptr(), reinterpret_cast<PyTypeObject*>(names.tensor_type))) {
    throw py::type_error(std::string(what) + ": expected a torch.Tensor, got " +
                         Py_TYPE(tensor.ptr())->tp_name);
  }
  TensorView view;
  view.dtype = Own(PyObject_GetAttr(tensor.ptr(), names.dtype)).ptr();
  view.host = Own(PyObject_GetAttr(tensor.ptr(), names.is_cpu)).ptr() == Py_True;
  view.dims = ReadInts(Own(PyObject_GetAttr(tensor.ptr(), names.shape)), view.shape);
  ReadInts(Own(PyObject_CallMethodNoArgs(tensor.ptr(), names.stride)), view.stride);
  const py::object address = Own(PyObject_CallMethodNoArgs(tensor.ptr(), names.data_ptr));
  view.data = static_cast<std::byte*>(PyLong_AsVoidPtr(address.ptr()));
  return view;
}

std::string DescribeShape(const TensorView& view) {
  std::string text = "[";
  for (int i = 0; i < view.dims; ++i) {
    text += (i > 0 ? ", " : "") + std::to_string(view.shape[static_cast<std::size_t>(i)]);
  }
  return text + "]";
}

std::string DescribeDtype(const TensorView& view) {
  const auto text = py::str(py::handle(view.dtype)).cast<std::string>();
  return text.starts_with("torch.") ? text.substr(6) : text;
}

std::size_t ItemSize(const TensorView& view) {
  return py::handle(view.dtype).attr("itemsize").cast<std::size_t>();
}

}  // namespace rollout::bindings
