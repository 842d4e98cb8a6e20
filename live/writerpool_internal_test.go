package live

import (
	"runtime"
	"testing"
)

// TestWriterPoolForgetsWhomItHasServed: there may be somebody due at any moment for as
// long as the program runs.
func TestWriterPoolForgetsWhomItHasServed(t *testing.T) {
	const waiting = 100
	all := writerPool{running: runtime.GOMAXPROCS(0)} // no further one begins
	var order []*subscriber
	add := func() {
		f := &subscriber{}
		order = append(order, f)
		all.add(f)
	}
	for range waiting {
		add()
	}
	for i := range 100 * waiting {
		add()
		if got := all.take(); got != order[i] {
			t.Fatalf("number %d is not the one who has waited longest", i)
		}
	}
	if room := cap(all.due); room > 8*waiting {
		t.Errorf("room for %d when no more than %d ever wait", room, waiting+1)
	}
}
