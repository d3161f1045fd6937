/* Which class an instruction of AArch64 is of, by the tables of the Arm Architecture Reference Manual, section C4.1.
   `counts.py` says what the classes mean. */

#include <stdint.h>

enum class {
    SCALAR, BRANCH, LOAD, STORE, VECTOR_LOAD, VECTOR_STORE, FMA_FLOAT32, FMA_FLOAT16, FLOAT_SCALAR, DOT_PRODUCT, MATRIX,
    INTEGER_MAC, VECTOR_OTHER, CLASSES
};

/* The bits from `high` down to `low` of an instruction. */
#define BITS(word, high, low) (((word) >> (low)) & ((1u << ((high) - (low) + 1)) - 1))
#define BIT(word, place) BITS(word, place, place)

static enum class classify_memory(uint32_t word)
{
    int vector = BIT(word, 26), to_memory;
    unsigned group = BITS(word, 29, 27), opc = BITS(word, 23, 22);
    unsigned form = BITS(word, 11, 10);

    if (group == 1 && !vector) { /* exclusive, ordered; compare and swap writes as well as it reads */
        int swaps = BIT(word, 21) && (BIT(word, 23) || !BIT(word, 31));
        to_memory = swaps || !BIT(word, 22);
    } else if (group == 1 || group == 5) { /* structures of vectors; pairs */
        to_memory = !BIT(word, 22);
    } else if (group == 3 && !BIT(word, 24)) { /* from beside the program */
        to_memory = 0;
    } else if (group == 3 && BIT(word, 21)) { /* memory tags; those that read have the lowest form and an odd opc */
        to_memory = !(form == 0 && (opc & 1));
    } else if (group == 3 && form == 1) { /* copies and fills memory; bit 26 is another thing here */
        vector = 0;
        to_memory = 1;
    } else if (!vector && group == 7 && !BIT(word, 24) && BIT(word, 21) && form == 0) { /* atomic: mostly both */
        to_memory = !(BIT(word, 15) && BITS(word, 13, 12) <= 1 && BIT(word, 14));
    } else if (!vector && group == 7 && !BIT(word, 24) && BIT(word, 21) && (form & 1)) { /* by a signed pointer */
        to_memory = 0;
    } else {
        to_memory = vector ? !(opc & 1) : opc == 0;
    }
    return vector ? (to_memory ? VECTOR_STORE : VECTOR_LOAD) : (to_memory ? STORE : LOAD);
}

/* Vector instructions with one operand given as an element. */
static enum class classify_indexed(uint32_t word)
{
    unsigned size = BITS(word, 23, 22), opcode = BITS(word, 15, 12);
    int u = BIT(word, 29);

    if ((opcode == 1 || opcode == 5) && !u)
        return size == 2 ? FMA_FLOAT32 : size == 0 ? FMA_FLOAT16 : VECTOR_OTHER;
    if (size == 2 && ((!u && (opcode == 0 || opcode == 4)) || (u && (opcode == 8 || opcode == 12))))
        return FMA_FLOAT16; /* its sums are of 32 bits */
    if (opcode == 14)
        return size == 2 ? DOT_PRODUCT : VECTOR_OTHER;
    if (opcode == 15 && !u)
        return size == 3 ? FMA_FLOAT16 : DOT_PRODUCT;
    if (size == 0 || size == 3)
        return VECTOR_OTHER;
    switch (opcode) {
    case 0: case 4: case 15: return u ? INTEGER_MAC : VECTOR_OTHER;
    case 3: case 7: case 8: case 11: case 12: return u ? VECTOR_OTHER : INTEGER_MAC;
    case 2: case 6: case 10: case 13: return INTEGER_MAC;
    default: return VECTOR_OTHER;
    }
}

static enum class classify_vector(uint32_t word)
{
    unsigned size = BITS(word, 23, 22), opcode = BITS(word, 15, 11);
    int u = BIT(word, 29);

    if (BIT(word, 24))
        return BIT(word, 10) ? VECTOR_OTHER : classify_indexed(word);
    if (BIT(word, 21) && BIT(word, 10)) { /* three of the same kind */
        if (opcode == 0x19)
            return BIT(word, 22) ? VECTOR_OTHER : u ? FMA_FLOAT16 : FMA_FLOAT32;
        if (opcode == 0x1d && !u && !BIT(word, 22))
            return FMA_FLOAT16;
        if (opcode == 0x12 || (opcode == 0x13 && !u))
            return INTEGER_MAC;
        return opcode == 0x16 ? INTEGER_MAC : VECTOR_OTHER;
    }
    if (BIT(word, 21) && BITS(word, 11, 10) == 0) { /* the result is wider */
        opcode >>= 1;
        return opcode >= 8 && opcode <= 13 ? INTEGER_MAC : VECTOR_OTHER;
    }
    if (!BIT(word, 21) && BIT(word, 10)) {
        if (!BIT(word, 15)) /* of 16 bits */
            return BIT(word, 22) && !BIT(word, 14) && !u && opcode == 1 ? FMA_FLOAT16 : VECTOR_OTHER;
        switch (opcode & 15) {
        case 0: case 1: return u ? INTEGER_MAC : VECTOR_OTHER;
        case 2: return size == 2 ? DOT_PRODUCT : VECTOR_OTHER;
        case 3: return size == 2 && !u ? DOT_PRODUCT : VECTOR_OTHER;
        case 4: return size == 2 ? MATRIX : VECTOR_OTHER;
        case 5: return size == 2 && !u ? MATRIX : VECTOR_OTHER;
        case 13: return size == 1 && u ? MATRIX : VECTOR_OTHER;
        case 15: return !u ? VECTOR_OTHER : size == 1 ? DOT_PRODUCT : size == 3 ? FMA_FLOAT16 : VECTOR_OTHER;
        }
    }
    return VECTOR_OTHER;
}

/* Instructions on one value in a vector register that were added with the vector instructions. */
static enum class classify_one_lane(uint32_t word)
{
    unsigned opcode = BITS(word, 15, 11), misc = BITS(word, 16, 12);
    int floats = 0;

    if (BIT(word, 24) && BIT(word, 10)) /* shifts, among them conversions of fixed-point numbers */
        floats = opcode == 0x1c || opcode == 0x1f;
    else if (BIT(word, 24))
        floats = BITS(word, 13, 12) == 1 && BITS(word, 15, 14) != 3;
    else if (BIT(word, 21) && BIT(word, 10))
        floats = opcode >= 0x18;
    else if (BIT(word, 10)) /* three of 16 bits */
        floats = BIT(word, 22) && BITS(word, 15, 14) == 0;
    else if (BIT(word, 11) && BITS(word, 21, 17) == 0x10)
        floats = (misc >= 0xc && misc <= 0xf) || misc == 0x16 || misc >= 0x1a;
    else if (BIT(word, 11)) /* two of 16 bits; what adds up a pair of lanes is not on one value */
        floats = BITS(word, 22, 17) == 0x3c;
    return floats ? FLOAT_SCALAR : VECTOR_OTHER;
}

static enum class classify(uint32_t word)
{
    unsigned group = BITS(word, 28, 25);

    if (group == 0) /* SME, or reserved; no core type has it on */
        return BIT(word, 31) ? VECTOR_OTHER : SCALAR;
    if (group == 2) /* SVE; no core type has it on */
        return VECTOR_OTHER;
    if (group == 10 || group == 11) /* exceptions, barriers and system registers share a room with the branches */
        return BITS(word, 31, 29) == 6 && !BIT(word, 25) ? SCALAR : BRANCH;
    if ((group & 5) == 4)
        return classify_memory(word);
    if ((group & 7) != 7)
        return SCALAR;
    if (BIT(word, 28) && !BIT(word, 30))
        return FLOAT_SCALAR;
    if (BIT(word, 31)) /* SHA and its like */
        return VECTOR_OTHER;
    return BIT(word, 28) ? classify_one_lane(word) : classify_vector(word);
}
