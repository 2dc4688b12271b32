#include "tensor.h"

#include <algorithm>

namespace rollout::bindings {
namespace {

// The part of DLPack 1's ABI that is needed here; names as in its header (dmlc/dlpack, Apache-2.0).
struct DLDataType {
  std::uint8_t code, bits;
  std::uint16_t lanes;
};
struct DLTensor {
  void* data;
  std::int32_t device_type, device_id;
  std::int32_t ndim;
  DLDataType dtype;
  std::int64_t* shape;
  std::int64_t* strides;
  std::uint64_t byte_offset;
};
struct DLPackExchangeAPI {
  std::uint32_t major, minor;
  DLPackExchangeAPI* prev_api;
  void* managed_tensor_allocator;
  void* managed_tensor_from_py_object_no_sync;
  void* managed_tensor_to_py_object_no_sync;
  int (*dltensor_from_py_object_no_sync)(void* object, DLTensor* out);
};
constexpr std::int32_t kDLCPU = 1;
constexpr std::uint8_t kDLFloat = 2;

constexpr std::uint32_t KindOf(std::uint32_t code, std::uint32_t bits) { return code << 16 | bits; }

const DLPackExchangeAPI* FindExchange(py::handle tensor_type) {
  constexpr const char* kName = "dlpack_exchange_api";
  if (!py::hasattr(tensor_type, "__dlpack_c_exchange_api__")) return nullptr;
  const py::object capsule = tensor_type.attr("__dlpack_c_exchange_api__");
  if (!PyCapsule_IsValid(capsule.ptr(), kName)) return nullptr;
  auto* api = static_cast<DLPackExchangeAPI*>(PyCapsule_GetPointer(capsule.ptr(), kName));
  while (api != nullptr && api->major != 1) api = api->prev_api;
  return api != nullptr && api->dltensor_from_py_object_no_sync != nullptr ? api : nullptr;
}

// Looked up once, when torch has long been imported: a tensor is at hand. Leaked, because the
// interpreter may be gone when statics are destroyed.
struct Torch {
  PyObject* tensor_type = py::object(py::module_::import("torch").attr("Tensor")).release().ptr();
  const DLPackExchangeAPI* exchange = FindExchange(tensor_type);
};

const Torch& GetTorch() {
  static const Torch* const torch = new Torch;
  return *torch;
}

void CheckDims(int dims, const char* what) {
  if (dims <= TensorView::kMostDims) return;
  throw py::value_error(std::string(what) + ": expected a tensor of at most " +
                        std::to_string(TensorView::kMostDims) + " dimensions, got " +
                        std::to_string(dims));
}

TensorView ReadByExchange(const DLPackExchangeAPI& api, py::handle tensor, const char* what) {
  DLTensor raw;
  if (api.dltensor_from_py_object_no_sync(tensor.ptr(), &raw) != 0) throw py::error_already_set();
  CheckDims(raw.ndim, what);
  TensorView view;
  view.data = static_cast<std::byte*>(raw.data) + raw.byte_offset;
  view.kind = KindOf(raw.dtype.code, raw.dtype.bits);
  view.item_size = (raw.dtype.bits * raw.dtype.lanes + 7u) / 8u;
  view.host = raw.device_type == kDLCPU;
  view.dims = raw.ndim;
  std::copy_n(raw.shape, raw.ndim, view.shape);
  std::copy_n(raw.strides, raw.ndim, view.stride);
  return view;
}

TensorView ReadByAttributes(py::handle tensor, const char* what) {
  const py::tuple shape = tensor.attr("shape"), stride = tensor.attr("stride")();
  CheckDims(static_cast<int>(shape.size()), what);
  const py::object dtype = tensor.attr("dtype");
  TensorView view;
  view.data = reinterpret_cast<std::byte*>(tensor.attr("data_ptr")().cast<std::uintptr_t>());
  view.item_size = dtype.attr("itemsize").cast<std::size_t>();
  // torch keeps one object a dtype for ever, so its address tells dtypes apart
  const bool float32 = dtype.is(py::module_::import("torch").attr("float32"));
  view.kind = float32 ? KindOf(kDLFloat, 32)
                      : static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(dtype.ptr()));
  view.host = tensor.attr("is_cpu").cast<bool>();
  view.dims = static_cast<int>(shape.size());
  for (int i = 0; i < view.dims; ++i) {
    view.shape[i] = shape[static_cast<std::size_t>(i)].cast<std::int64_t>();
    view.stride[i] = stride[static_cast<std::size_t>(i)].cast<std::int64_t>();
  }
  return view;
}

}  // namespace

bool TensorView::IsFloat32() const { return kind == KindOf(kDLFloat, 32); }

bool TensorView::SameKind(const TensorView& other) const {
  return kind == other.kind && dims == other.dims && std::equal(shape, shape + dims, other.shape);
}

std::int64_t TensorView::RowElements() const {
  std::int64_t count = 1;
  for (int i = 1; i < dims; ++i) count *= shape[i];
  return count;
}

bool TensorView::RowsContiguous() const {
  std::int64_t run = 1;
  for (int i = dims; i-- > 1;) {
    if (shape[i] != 1 && stride[i] != run) return false;
    run *= shape[i];
  }
  return true;
}

TensorView ReadTensor(py::handle tensor, const char* what) {
  const Torch& torch = GetTorch();
  if (!PyObject_TypeCheck(tensor.ptr(), reinterpret_cast<PyTypeObject*>(torch.tensor_type))) {
    throw py::type_error(std::string(what) + ": expected a torch.Tensor, got " +
                         Py_TYPE(tensor.ptr())->tp_name);
  }
  TensorView view = torch.exchange != nullptr ? ReadByExchange(*torch.exchange, tensor, what)
                                              : ReadByAttributes(tensor, what);
  // a tensor of no elements has no address, and whoever copies none of them must have one
  static std::byte none;
  if (view.data == nullptr) view.data = &none;
  return view;
}

std::string Describe(py::handle tensor) {
  auto dtype = py::str(tensor.attr("dtype")).cast<std::string>();
  if (dtype.starts_with("torch.")) dtype = dtype.substr(6);
  std::string text = dtype + " " + py::str(py::list(tensor.attr("shape"))).cast<std::string>();
  const auto device = py::str(tensor.attr("device")).cast<std::string>();
  return device == "cpu" ? text : text + " on " + device;
}

}  // namespace rollout::bindings
