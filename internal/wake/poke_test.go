package wake_test

import (
	"testing"

	"thalassa/internal/wake"
)

func TestPokesBeforeALookAreOne(t *testing.T) {
	p := wake.NewPoke()
	for range 3 {
		p.Send()
	}
	<-p
	select {
	case <-p:
		t.Error("a second poke is in the slot")
	default:
	}
	p.Send()
	<-p
}
