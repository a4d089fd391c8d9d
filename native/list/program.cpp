#include "program.h"

#include <stdexcept>

namespace elman {

namespace {

constexpr long VERSION = 2;

struct Damaged : std::runtime_error {
    using std::runtime_error::runtime_error;
};

int arity(Code code) {
    switch (code) {
    case Code::CLAMP:
    case Code::SELECT:
    case Code::FMA:
    case Code::FNMA: return 3;
    case Code::ADD:
    case Code::SUB:
    case Code::MUL:
    case Code::DIV:
    case Code::MIN:
    case Code::MAX:
    case Code::GREATER:
    case Code::GREATER_EQUAL:
    case Code::EQUAL:
    case Code::MUL_SIGMOID_SLOPE:
    case Code::MUL_TANH_SLOPE: return 2;
    default: return 1;
    }
}

class Reader {
  public:
    Reader(Program& program, const int64_t* code, long count) : program(program), code(code), count(count) {}

    void read() {
        if (number(0, VERSION) != VERSION) throw Damaged("it is of another version");
        program.gates = number(0, MOST_OF_A_KIND);
        program.recurrent_gates = number(0, MOST_OF_A_KIND);
        program.states = number(1, MOST_LIST_STATES);
        program.learnt = number(0, MOST_OF_A_KIND);
        program.masked = number(0, 1);
        program.projected = number(0, 1);
        program.given.resize(number(0, MOST_LIST_STATES));
        for (auto& state : program.given) state = number(0, program.states - 1);
        program.slots.resize(number(0, MOST_OF_A_KIND));
        program.planes = number(long(program.slots.size()), MOST_OF_A_KIND);
        program.temps = number(0, MOST_OF_A_KIND);
        program.scratch = number(0, MOST_OF_A_KIND);
        const long constants = number(0, MOST_OF_A_KIND);
        if (constants != long(program.constants.size())) throw Damaged("its constants are others");
        program.products.resize(number(0, MOST_OF_A_KIND));
        read_slots();
        read_products();
        for (bool back : {false, true})
            for (auto& phase : (back ? program.backward : program.forward) = phases())
                read_phase(phase, back);
        if (at != count) throw Damaged("it is longer than it says");
    }

  private:
    long number(long least, long most) {
        if (at >= count) throw Damaged("it is shorter than it says");
        const int64_t value = code[at++];
        if (value < least || value > most) throw Damaged("a number of it is out of bounds");
        return value;
    }

    std::vector<Phase> phases() { return std::vector<Phase>(number(0, MOST_OF_A_KIND)); }

    void read_slots() {
        const long of_u = program.recurrent_gates + program.projected;
        std::vector<bool> x(program.gates), u(of_u);
        for (auto& slot : program.slots) {
            slot.x = number(-1, program.gates - 1);
            slot.u = number(-1, of_u - 1);
            if ((slot.x >= 0 && x[slot.x]) || (slot.u >= 0 && u[slot.u]))
                throw Damaged("a gate has two slots");
            if (slot.x >= 0) x[slot.x] = true;
            if (slot.u >= 0) u[slot.u] = true;
        }
    }

    void read_products() {
        long done = 0;
        for (auto& product : program.products) {
            product.first = number(done, long(program.slots.size()) - 1);
            product.last = number(product.first + 1, long(program.slots.size()));
            product.entering = place();
            if (product.entering.kind != Kind::BEFORE && product.entering.kind != Kind::PLANE)
                throw Damaged("a product reads what is no state");
            done = product.last;
            for (long slot = product.first; slot < product.last; slot++)
                if (program.slots[slot].u < 0) throw Damaged("a product has a slot of no gate");
        }
        read_projection();
    }

    // It is a product of its own, the last one; no other has its gate.
    void read_projection() {
        if (!program.projected) return;
        if (program.products.empty()) throw Damaged("it has no projection");
        const Span& last = program.products.back();
        if (last.gates() != 1 || program.slots[last.first].u != program.recurrent_gates ||
            program.slots[last.first].x >= 0)
            throw Damaged("its projection is no product of its own");
    }

    Home place() {
        const long value = number(0, (long(Kind::GIVEN) << 16) + 0xffff);
        const Home found{Kind(value >> 16), value & 0xffff};
        if (found.index >= most(found.kind)) throw Damaged("a place of it is out of bounds");
        return found;
    }

    long most(Kind kind) const {
        switch (kind) {
        case Kind::CONSTANT: return long(program.constants.size());
        case Kind::UNIT:
        case Kind::SUM: return program.learnt;
        case Kind::SCRATCH: return program.scratch;
        case Kind::PLANE: return program.planes;
        case Kind::TEMP: return program.temps;
        case Kind::MASK: return program.masked;
        case Kind::GIVEN: return long(program.given.size());
        default: return program.states;
        }
    }

    void read_phase(Phase& phase, bool back) {
        phase.products.resize(number(0, long(program.products.size())));
        for (auto& made : phase.products) {
            made.product = number(0, long(program.products.size()) - 1);
            made.place = place();
            const Kind kind = made.place.kind;
            if (back ? kind != Kind::GRAD && kind != Kind::TEMP : kind != Kind::BEFORE && kind != Kind::PLANE)
                throw Damaged("a product has a place that it cannot have");
        }
        phase.code.resize(number(0, MOST_OF_A_KIND));
        for (auto& step : phase.code) read_instruction(phase, step, back);
    }

    void read_instruction(Phase& phase, Instruction& step, bool back) {
        step.code = Code(number(0, long(Code::FNMA)));
        step.to = target(phase, back, step.code == Code::GATHER);
        const bool bent = step.code == Code::SIGMOID || step.code == Code::TANH;
        step.also = at < count && code[at] == -1 ? int(number(-1, -1)) : target(phase, back, false);
        if (step.also >= 0 && !bent) throw Damaged("an operation has two results");
        for (int i = 0; i < 3; i++)
            step.args[i] = i < arity(step.code) ? source(phase, back) : int(number(-1, -1));
    }

    int target(Phase& phase, bool back, bool sum) {
        const Home found = place();
        const Kind kind = found.kind;
        const bool own = kind == Kind::SCRATCH || kind == Kind::PLANE || kind == Kind::TEMP;
        if (sum ? kind != Kind::SUM || !back : !own && kind != (back ? Kind::GRAD : Kind::AFTER))
            throw Damaged("an operation writes where it cannot");
        return put(phase, found);
    }

    int source(Phase& phase, bool back) {
        const Home found = place();
        if (found.kind == Kind::SUM || (found.kind == Kind::GRAD && !back))
            throw Damaged("an operation reads what it cannot");
        return put(phase, found);
    }

    static int put(Phase& phase, Home found) {
        for (size_t i = 0; i < phase.places.size(); i++)
            if (phase.places[i].kind == found.kind && phase.places[i].index == found.index) return int(i);
        phase.places.push_back(found);
        return int(phase.places.size()) - 1;
    }

    Program& program;
    const int64_t* const code;
    const long count;
    long at = 0;
};

} // namespace

std::string Program::read(const int64_t* code, long count, const double* numbers, long numbers_count) {
    constants.assign(numbers, numbers + numbers_count);
    try {
        Reader(*this, code, count).read();
    } catch (const Damaged& error) {
        return error.what();
    }
    return "";
}

} // namespace elman
