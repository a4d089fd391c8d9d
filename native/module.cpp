// What Python sees: sizes and strides as integers and memory as tensors, in a fixed order;
// src/elman/kernels/native is the one caller, and answers for their truth.
//
// Addresses are taken here alone, of tensors that the caller's arguments hold until the call is over.
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <cstdint>
#include <cstring>
#include <new>
#include <numeric>
#include <string>
#include <vector>

#ifdef __linux__
#include <sys/mman.h>
#include <unistd.h>
#endif

#include "instruction_sets.h"
#include "threads.h"

namespace elman {

namespace {

const Kernels* chosen = available().front();

// Of the functions below; extension.py wants the one that it was written for, lest a build of old meet it.
constexpr long INTERFACE = 8;

// Reads a call's arguments one after another: integers, and tensors or None.
class Arguments {
  public:
    Arguments(PyObject* const* values, Py_ssize_t count) : values(values), count(count) {}

    long number() {
        if (at >= count) {
            at++;
            return 0;
        }
        long value = PyLong_AsLong(values[at++]);
        if (value == -1 && PyErr_Occurred()) failed = true;
        return value;
    }
    // A tensor's; null for None.
    void* address() {
        if (at >= count || values[at] == Py_None || failed) {
            at++;
            return nullptr;
        }
        static PyObject* const data_ptr = PyUnicode_InternFromString("data_ptr");
        PyObject* found = PyObject_CallMethodObjArgs(values[at++], data_ptr, nullptr);
        void* address = found ? PyLong_AsVoidPtr(found) : nullptr;
        Py_XDECREF(found);
        if (PyErr_Occurred()) failed = true;
        return address;
    }

    // A number from 0 to before `count`; where it is none, all has failed.
    long number_below(long count) {
        const long value = number();
        if (value >= 0 && value < count) return value;
        if (!failed) PyErr_Format(PyExc_ValueError, "expected a number below %ld, got %ld", count, value);
        failed = true;
        return 0;
    }
    // A capsule's; where it is none, all has failed, and the caller asks `complete` before it looks.
    void* capsule(const char* name) {
        if (at >= count || failed) {
            at++;
            return nullptr;
        }
        void* found = PyCapsule_GetPointer(values[at++], name);
        if (!found) failed = true;
        return found;
    }

    // Whether all were what was wanted, and none too many.
    bool complete() {
        if (!failed && at == count) return true;
        if (!PyErr_Occurred()) PyErr_Format(PyExc_TypeError, "expected %zd arguments, got %zd", at, count);
        return false;
    }

  private:
    PyObject* const* values;
    Py_ssize_t count, at = 0;
    bool failed = false;
};

// What every call begins with.
Problem kind(Arguments& arguments) {
    Problem p{};
    p.cell = CellKind(arguments.number_below(std::size(BUILT_IN)));
    p.number = Number(arguments.number());
    p.input = arguments.number();
    p.hidden = arguments.number();
    return p;
}

Matrices matrices(Arguments& arguments) {
    Matrices m{};
    for (auto part : {&m.w_ih, &m.w_hh, &m.b_ih, &m.b_hh}) *part = arguments.address();
    return m;
}

// How many rows there are, of all steps together.
long rows_of(const Problem& p) {
    return p.lengths ? std::accumulate(p.lengths, p.lengths + p.batch, 0L) : p.steps * p.batch;
}

// What forward keeps for backward: its parts in one piece of memory, one after another.
void share_out(Problem& p, char* at) {
    const long rows = rows_of(p) * (p.number == Number::FLOAT ? sizeof(float) : sizeof(double));
    auto take = [&](long width) {
        char* taken = at;
        at += rows * width;
        return taken;
    };
    const long width = chosen->padded(p);
    p.gates = take(chosen->gates_row(p));
    if (p.mask || p.reset) p.entered = take(width);
    p.states[0] = take(width);
    for (long s = 1; s < BUILT_IN[int(p.cell)].states; s++) p.states[s] = take(width);
}

// What every call begins with, of a cell or of a list; `before` are the states that it starts from.
template <class P, size_t N> void sequence(Arguments& arguments, P& p, const void* (&before)[N]) {
    p.threads = arguments.number();
    p.steps = arguments.number();
    p.batch = arguments.number();
    p.groups = arguments.number();
    p.reverse = arguments.number();
    p.lengths = static_cast<const long*>(arguments.address());
    p.x = arguments.address();
    p.x_time = arguments.number();
    p.x_batch = arguments.number();
    for (auto& state : before) state = arguments.address();
    p.mask = arguments.address();
    p.reset = static_cast<const bool*>(arguments.address());
}

// What forward and backward both need.
void scan(Arguments& arguments, Problem& p) {
    sequence(arguments, p, p.initial);
    p.y = arguments.address();
    if (void* memory = arguments.address()) share_out(p, static_cast<char*>(memory));
}

// Runs f without Python's lock; memory that cannot be had is its one way to fail.
template <class F> PyObject* unlocked(F f) {
    bool enough = true;
    PyThreadState* state = PyEval_SaveThread();
    try {
        f();
    } catch (const std::bad_alloc&) {
        enough = false;
    }
    PyEval_RestoreThread(state);
    if (!enough) return PyErr_NoMemory();
    Py_RETURN_NONE;
}

// The number that f gives, likewise.
template <class F> PyObject* digested(F f) {
    uint64_t result = 0;
    PyObject* done = unlocked([&] { result = f(); });
    if (!done) return nullptr;
    Py_DECREF(done);
    return PyLong_FromUnsignedLongLong(result);
}

PyObject* sizes(PyObject*, PyObject* const* values, Py_ssize_t count) {
    Arguments arguments(values, count);
    Problem p = kind(arguments);
    if (!arguments.complete()) return nullptr;
    return Py_BuildValue("(llll)", chosen->packed_size(p), chosen->packed_back_size(p), chosen->gates_row(p),
                         chosen->padded(p));
}

PyObject* pack(PyObject*, PyObject* const* values, Py_ssize_t count) {
    Arguments arguments(values, count);
    Problem p = kind(arguments);
    p.threads = arguments.number();
    bool back = arguments.number();
    p.weights = matrices(arguments);
    void* to = arguments.address();
    if (!arguments.complete()) return nullptr;
    return unlocked([&, kernels = chosen] { (back ? kernels->pack_back : kernels->pack)(p, to); });
}

PyObject* digest(PyObject*, PyObject* const* values, Py_ssize_t count) {
    Arguments arguments(values, count);
    Problem p = kind(arguments);
    p.threads = arguments.number();
    p.weights = matrices(arguments);
    if (!arguments.complete()) return nullptr;
    return digested([&, kernels = chosen] { return kernels->digest(p); });
}

PyObject* forward(PyObject*, PyObject* const* values, Py_ssize_t count) {
    Arguments arguments(values, count);
    Problem p = kind(arguments);
    scan(arguments, p);
    p.weights = matrices(arguments);
    p.packed = arguments.address();
    for (auto& state : p.last) state = arguments.address();
    if (!arguments.complete()) return nullptr;
    return unlocked([&, kernels = chosen] { kernels->forward(p); });
}

PyObject* backward(PyObject*, PyObject* const* values, Py_ssize_t count) {
    Arguments arguments(values, count);
    Problem p = kind(arguments);
    scan(arguments, p);
    p.weights = matrices(arguments);
    p.packed_back = arguments.address();
    p.dy = arguments.address();
    p.dy_time = arguments.number();
    p.dy_batch = arguments.number();
    for (auto& state : p.dlast) state = arguments.address();
    p.dx = arguments.address();
    for (auto& state : p.dinitial) state = arguments.address();
    p.dw_ih = arguments.address();
    p.dw_hh = arguments.address();
    p.db_ih = arguments.address();
    p.db_hh = arguments.address();
    if (!arguments.complete()) return nullptr;
    return unlocked([&, kernels = chosen] { kernels->backward(p); });
}

// Lists of operations. A program is a capsule; what it is not, is refused.

constexpr const char* PROGRAM = "elman.program";

PyObject* program(PyObject*, PyObject* const* values, Py_ssize_t count) {
    if (count != 2) return PyErr_Format(PyExc_TypeError, "expected 2 arguments, got %zd", count);
    char *code, *numbers;
    Py_ssize_t code_bytes, numbers_bytes;
    if (PyBytes_AsStringAndSize(values[0], &code, &code_bytes) < 0) return nullptr;
    if (PyBytes_AsStringAndSize(values[1], &numbers, &numbers_bytes) < 0) return nullptr;
    std::vector<int64_t> words(code_bytes / sizeof(int64_t));
    std::vector<double> constants(numbers_bytes / sizeof(double));
    if (!words.empty()) std::memcpy(words.data(), code, words.size() * sizeof(int64_t));
    if (!constants.empty()) std::memcpy(constants.data(), numbers, constants.size() * sizeof(double));
    auto* made = new Program{};
    const std::string fault =
        made->read(words.data(), long(words.size()), constants.data(), long(constants.size()));
    if (fault.empty())
        return PyCapsule_New(made, PROGRAM, [](PyObject* capsule) {
            delete static_cast<Program*>(PyCapsule_GetPointer(capsule, PROGRAM));
        });
    delete made;
    return PyErr_Format(PyExc_ValueError, "the list of operations is damaged: %s", fault.c_str());
}

// What every call of a list begins with.
ListProblem list_kind(Arguments& arguments) {
    ListProblem p{};
    p.program = static_cast<const Program*>(arguments.capsule(PROGRAM));
    p.number = Number(arguments.number());
    p.input = arguments.number();
    p.hidden = arguments.number();
    p.inner = arguments.number();
    p.normed = arguments.number();
    return p;
}

// Its weights as they lie.
void list_matrices(Arguments& arguments, ListProblem& p) {
    p.weights = matrices(arguments);
    for (auto part : {&p.gain_ih, &p.gain_hh, &p.w_hr}) *part = arguments.address();
}

void list_scan(Arguments& arguments, ListProblem& p) {
    sequence(arguments, p, p.before);
    for (auto& one : p.given) one = arguments.address();
    p.learnt = arguments.address();
    p.kept = arguments.address();
}

// Whether a call has what its list reads; else there is an error. Memory of no numbers has no address.
bool is_whole(const ListProblem& p, bool back) {
    const char* fault = nullptr;
    if (p.batch && p.program->masked != (p.mask != nullptr)) fault = "the mask";
    if (p.program->projected ? p.inner < 1 || p.inner > p.hidden : p.inner != p.hidden)
        fault = "the projection";
    for (size_t i = 0; i < p.program->given.size(); i++)
        if (!p.given[i] && p.steps * p.batch > 0) fault = "what comes with each step";
    if (p.program->learnt && !p.learnt) fault = "the cell's own parameters";
    if (back && (p.program->backward.empty() || (!p.kept && rows_of(p)))) fault = "what backward needs";
    if (fault) PyErr_Format(PyExc_ValueError, "the list of operations and the call differ in %s", fault);
    return !fault;
}

PyObject* list_sizes(PyObject*, PyObject* const* values, Py_ssize_t count) {
    Arguments arguments(values, count);
    ListProblem p = list_kind(arguments);
    p.batch = arguments.number();
    p.groups = arguments.number();
    // Whether there is one, not what it says.
    p.reset = arguments.number() ? reinterpret_cast<const bool*>(&p) : nullptr;
    if (!arguments.complete()) return nullptr;
    const ListKernels& kernels = lists_of(chosen);
    return Py_BuildValue("(lll)", kernels.packed_size(p), kernels.packed_back_size(p), kernels.kept(p));
}

PyObject* list_pack(PyObject*, PyObject* const* values, Py_ssize_t count) {
    Arguments arguments(values, count);
    ListProblem p = list_kind(arguments);
    p.threads = arguments.number();
    const bool back = arguments.number();
    list_matrices(arguments, p);
    void* to = arguments.address();
    if (!arguments.complete()) return nullptr;
    return unlocked(
        [&, kernels = chosen] { (back ? lists_of(kernels).pack_back : lists_of(kernels).pack)(p, to); });
}

PyObject* list_digest(PyObject*, PyObject* const* values, Py_ssize_t count) {
    Arguments arguments(values, count);
    ListProblem p = list_kind(arguments);
    p.threads = arguments.number();
    list_matrices(arguments, p);
    if (!arguments.complete()) return nullptr;
    return digested([&, kernels = chosen] { return lists_of(kernels).digest(p); });
}

PyObject* list_forward(PyObject*, PyObject* const* values, Py_ssize_t count) {
    Arguments arguments(values, count);
    ListProblem p = list_kind(arguments);
    list_scan(arguments, p);
    for (auto& y : p.ys) y = arguments.address();
    list_matrices(arguments, p);
    p.packed = arguments.address();
    for (auto& state : p.after) state = arguments.address();
    if (!arguments.complete() || !is_whole(p, false)) return nullptr;
    return unlocked([&, kernels = chosen] { lists_of(kernels).forward(p); });
}

PyObject* list_backward(PyObject*, PyObject* const* values, Py_ssize_t count) {
    Arguments arguments(values, count);
    ListProblem p = list_kind(arguments);
    list_scan(arguments, p);
    list_matrices(arguments, p);
    p.packed_back = arguments.address();
    for (auto& [numbers, time, batch] : p.dys) {
        numbers = arguments.address();
        time = arguments.number();
        batch = arguments.number();
    }
    for (auto& state : p.dafter) state = arguments.address();
    p.dx = arguments.address();
    for (auto& state : p.dbefore) state = arguments.address();
    p.dw_ih = arguments.address();
    p.dw_hh = arguments.address();
    p.db_ih = arguments.address();
    p.db_hh = arguments.address();
    for (auto part : {&p.dgain_ih, &p.dgain_hh, &p.dw_hr}) *part = arguments.address();
    p.dlearnt = arguments.address();
    if (!arguments.complete() || !is_whole(p, true)) return nullptr;
    return unlocked([&, kernels = chosen] { lists_of(kernels).backward(p); });
}

PyObject* want_huge_pages(PyObject*, PyObject* const* values, Py_ssize_t count) {
    Arguments arguments(values, count);
    [[maybe_unused]] const auto begin = reinterpret_cast<uintptr_t>(arguments.address());
    [[maybe_unused]] const uintptr_t bytes = arguments.number();
    if (!arguments.complete()) return nullptr;
#ifdef MADV_HUGEPAGE
    const uintptr_t page = sysconf(_SC_PAGESIZE), first = (begin + page - 1) / page * page;
    madvise(reinterpret_cast<void*>(first), (begin + bytes - first) / page * page, MADV_HUGEPAGE);
#endif
    Py_RETURN_NONE;
}

// (Tensor, Parameter, tensors or None...): Python takes twice as long, and every single step asks.
PyObject* are_plain(PyObject*, PyObject* const* values, Py_ssize_t count) {
    static PyObject* const marks[] = {PyUnicode_InternFromString("is_neg"),
                                      PyUnicode_InternFromString("_is_zerotensor")};
    for (Py_ssize_t i = 2; i < count; i++) {
        if (values[i] == Py_None) continue;
        auto* kind = reinterpret_cast<PyObject*>(Py_TYPE(values[i]));
        if (kind != values[0] && kind != values[1]) Py_RETURN_FALSE;
        for (PyObject* mark : marks) {
            PyObject* found = PyObject_CallMethodObjArgs(values[i], mark, nullptr);
            if (!found) return nullptr;
            const bool marked = found != Py_False;
            Py_DECREF(found);
            if (marked) Py_RETURN_FALSE;
        }
    }
    Py_RETURN_TRUE;
}

PyObject* instruction_set(PyObject*, PyObject*) { return PyUnicode_FromString(chosen->name); }

PyObject* use_instruction_set(PyObject*, PyObject* name) {
    PyObject* text = PyUnicode_AsUTF8String(name);
    if (!text) return nullptr;
    const Kernels* found = nullptr;
    for (const Kernels* one : available())
        if (!std::strcmp(one->name, PyBytes_AsString(text))) found = one;
    Py_DECREF(text);
    if (!found)
        return PyErr_Format(PyExc_ValueError, "this processor or this build has no kernels for %R", name);
    chosen = found;
    Py_RETURN_NONE;
}

PyObject* adopt_openmp(PyObject*, PyObject* path) {
    PyObject* text = nullptr;
    if (!PyUnicode_FSConverter(path, &text)) return nullptr;
    bool adopted = elman::adopt_openmp(PyBytes_AsString(text));
    Py_DECREF(text);
    return PyBool_FromLong(adopted);
}

#define FAST(function) (PyCFunction)(void (*)(void)) function, METH_FASTCALL

PyMethodDef methods[] = {
    {"sizes", FAST(sizes), "(cell, number, I, H) -> numbers in: packed, packed_back, gates' row, padded H"},
    {"pack", FAST(pack), "(kind..., threads, back, weights..., to): lay weights out for forward or backward"},
    {"digest", FAST(digest),
     "(kind..., threads, weights...) -> a number that tells whether they have changed"},
    {"forward", FAST(forward), "(kind..., scan..., weights..., packed, last...): one layer in one direction"},
    {"program", FAST(program),
     "(code, constants) -> a list of operations, checked; ValueError where it is damaged"},
    {"list_sizes", FAST(list_sizes),
     "(list..., B, groups, reset) -> numbers in: packed, packed_back, what a row keeps"},
    {"list_pack", FAST(list_pack), "(list..., threads, back, weights..., to): lay weights out"},
    {"list_digest", FAST(list_digest),
     "(list..., threads, weights...) -> a number that tells whether they changed"},
    {"list_forward", FAST(list_forward),
     "(list..., scan..., ys..., weights..., packed, last...): one layer in one direction"},
    {"list_backward", FAST(list_backward),
     "(list..., scan..., weights..., packed_back, gradients...): back through it"},
    {"backward", FAST(backward),
     "(kind..., scan..., weights..., packed_back, gradients...): back through it"},
    {"want_huge_pages", FAST(want_huge_pages),
     "(memory, bytes): it is new and large; the system hands it out in few pieces, if it can"},
    {"are_plain", FAST(are_plain),
     "(Tensor, Parameter, tensors or None...): whether each is of one of these types, and is what its memory "
     "says"},
    {"instruction_set", instruction_set, METH_NOARGS, "The name of the instruction set in use."},
    {"use_instruction_set", use_instruction_set, METH_O,
     "Use another one; packed weights do not carry over."},
    {"adopt_openmp", adopt_openmp, METH_O, "Take the threads of the OpenMP runtime at a path."},
    {nullptr, nullptr, 0, nullptr},
};

// The built-in cells, in the order of their numbers: (name, gates, states).
PyObject* cells() {
    PyObject* found = PyTuple_New(std::size(BUILT_IN));
    for (size_t i = 0; found && i < std::size(BUILT_IN); i++) {
        PyObject* cell = Py_BuildValue("(sll)", BUILT_IN[i].name, BUILT_IN[i].gates, BUILT_IN[i].states);
        if (!cell || PyTuple_SetItem(found, i, cell) < 0) {
            Py_DECREF(found);
            return nullptr;
        }
    }
    return found;
}

PyModuleDef definition = {PyModuleDef_HEAD_INIT,
                          "elman._native",
                          "Recurrent kernels for the CPU.",
                          -1,
                          methods,
                          nullptr,
                          nullptr,
                          nullptr,
                          nullptr};

} // namespace
} // namespace elman

PyMODINIT_FUNC PyInit__native() {
    PyObject* module = PyModule_Create(&elman::definition);
    if (!module) return nullptr;
    PyObject* cells = elman::cells();
    if (!cells || PyModule_AddObjectRef(module, "cells", cells) < 0) return nullptr;
    Py_DECREF(cells);
    if (PyModule_AddIntConstant(module, "interface", elman::INTERFACE) < 0) return nullptr;
    return module;
}
