package plan_test

import (
	"math/rand/v2"
	"testing"

	"thalassa/plan"
)

// A tape is what a generator draws from: the fuzzer's bytes, and chance after
// their end.
type tape struct {
	bytes []byte
	rest  *rand.PCG
}

// Uint64 repeats one byte, as some draws look at the upper bits and some at the
// lower ones.
func (t *tape) Uint64() uint64 {
	if len(t.bytes) == 0 {
		return t.rest.Uint64()
	}
	b := t.bytes[0]
	t.bytes = t.bytes[1:]
	return uint64(b) * 0x0101010101010101
}

// FuzzOperations leads a HAProxy from one configuration to another and on to a
// third: the operations do what a reload would do.
func FuzzOperations(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("any bytes make three configurations"))
	f.Fuzz(func(t *testing.T, drawn []byte) {
		g := generator{rand.New(&tape{bytes: drawn, rest: rand.NewPCG(1, 2)})}
		running := plan.Layout(nil, g.slotted())
		b := load(running)
		for range 2 {
			wanted := plan.Layout(plan.SlotsOf(running), g.slotted())
			change := plan.Compute(&running, wanted)
			b, _ = carryOut(t, b, change, wanted)
			running = wanted
		}
	})
}
