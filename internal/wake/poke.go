package wake

// A Poke wakes one goroutine that owns some work. It has one slot: further pokes change nothing
// while it is full, since the owner then looks at everything that happened before. Make it with
// NewPoke.
type Poke chan struct{}

// NewPoke is a Poke whose slot is empty.
func NewPoke() Poke { return make(Poke, 1) }

// Send fills the slot, unless it is full. It never waits, and may be called concurrently.
func (p Poke) Send() {
	select {
	case p <- struct{}{}:
	default: // the owner has not seen the last one yet
	}
}
