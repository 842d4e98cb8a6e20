package history

import (
	"fmt"

	"github.com/anishathalye/porcupine"
)

// A Kind is what an operation does to an object.
type Kind string

// The kinds of operations.
const (
	Read   Kind = "read"
	Put    Kind = "put"    // sets the whole value
	Share  Kind = "share"  // sets Value.Share of an object that exists
	Delete Kind = "delete" // of an object that exists
)

// A Value is what an object holds. The zero Value is that of an object that does not exist.
type Value struct {
	Definition string // what only Put sets
	Share      string // what Put and Share set
}

// String is the value as one word, "-" for an object that does not exist.
func (v Value) String() string {
	if v == (Value{}) {
		return "-"
	}
	return v.Definition + "/" + v.Share
}

// An Operation is what a client asks.
type Operation struct {
	Kind  Kind
	Value Value // of Put; of Share only Value.Share
	// If is the value that the object must have; nil: any. The zero Value means that it
	// must not exist.
	If *Value
}

// String is the operation with its condition.
func (o Operation) String() string {
	text := string(o.Kind)
	if o.Kind == Put || o.Kind == Share {
		text += " " + o.Value.String()
	}
	if o.If != nil {
		text += " if " + o.If.String()
	}
	return text
}

// An Outcome is what a client knows of an operation when it has returned.
type Outcome string

// The outcomes of operations.
const (
	Done     Outcome = "done"
	Missing  Outcome = "missing"  // the object does not exist; nothing has changed
	Changed  Outcome = "changed"  // the condition does not hold; nothing has changed
	Declined Outcome = "declined" // for a reason that is not in the record; nothing has changed
	Unknown  Outcome = "unknown"  // it may have taken effect, or not
)

// An Answer is the outcome with the value of the object then, for Done.
type Answer struct {
	Outcome Outcome
	Value   Value
	// Revision is the number of the change, for a Done one; they ascend with time.
	Revision uint64
}

// isMet reports whether the condition holds for a value.
func (o Operation) isMet(now Value) bool { return o.If == nil || *o.If == now }

// applied is the value after the operation. isPossible is false for an object that would
// have to exist.
func (o Operation) applied(now Value) (next Value, isPossible bool) {
	exists := now != Value{}
	switch o.Kind {
	case Put:
		return o.Value, true
	case Share:
		return Value{now.Definition, o.Value.Share}, exists
	case Delete:
		return Value{}, exists
	case Read:
	}
	return now, true
}

// after returns the values that an object can have after an operation with that answer;
// none: it could not have been answered so.
func after(now Value, o Operation, a Answer) []any {
	next, isPossible := o.applied(now)
	takesEffect := isPossible && o.isMet(now)
	var holds bool
	switch a.Outcome {
	case Done:
		if takesEffect && next == a.Value {
			return []any{next}
		}
	case Unknown:
		if takesEffect && next != now {
			return []any{now, next}
		}
		holds = true
	case Missing:
		holds = now == Value{}
	case Changed:
		holds = !o.isMet(now)
	case Declined:
		holds = true
	}
	if holds {
		return []any{now}
	}
	return nil
}

// object is the model of one object that does not exist at first.
func object() porcupine.Model {
	nondeterministic := porcupine.NondeterministicModel{
		Init: func() []any { return []any{Value{}} },
		Step: func(state, input, output any) []any {
			return after(state.(Value), input.(Operation), output.(Answer))
		},
		DescribeOperation: func(input, output any) string {
			a := output.(Answer)
			return fmt.Sprintf("%v: %s %v", input, a.Outcome, a.Value)
		},
	}
	return nondeterministic.ToModel()
}
