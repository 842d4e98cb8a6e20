package history_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"thalassa/internal/testkit/history"
)

// A step begins or ends an operation of a client, or is a death (client 0).
type step struct {
	client int
	op     history.Operation
	answer *history.Answer // nil: it begins
}

func value(definition, share string) history.Value {
	return history.Value{Definition: definition, Share: share}
}

func put(v history.Value) history.Operation { return history.Operation{Kind: history.Put, Value: v} }

func given(o history.Operation, v history.Value) history.Operation {
	o.If = &v
	return o
}

var read = history.Operation{Kind: history.Read}

func begin(client int, op history.Operation) step { return step{client: client, op: op} }

func end(client int, outcome history.Outcome, v history.Value) step {
	return step{client: client, answer: &history.Answer{Outcome: outcome, Value: v}}
}

// atOnce is an operation that nothing overlaps.
func atOnce(op history.Operation, outcome history.Outcome, v history.Value) []step {
	return []step{begin(1, op), end(1, outcome, v)}
}

func record(steps ...[]step) *history.Recorder {
	r := history.New()
	calls := map[int]*history.Call{}
	for _, some := range steps {
		for _, s := range some {
			switch {
			case s.client == 0:
				r.Died()
			case s.answer == nil:
				calls[s.client] = r.Begin(s.client, "object", s.op)
			default:
				calls[s.client].End(*s.answer)
			}
		}
	}
	return r
}

func TestCheck(t *testing.T) {
	none, a, b := history.Value{}, value("a", "1"), value("b", "1")
	share := history.Operation{Kind: history.Share, Value: value("", "2")}
	remove := history.Operation{Kind: history.Delete}
	died := []step{{}}
	for _, tt := range []struct {
		name  string
		holds bool
		steps [][]step
	}{
		{"nothing", true, nil},
		{"a write is read", true, [][]step{atOnce(put(a), history.Done, a), atOnce(read, history.Done, a)}},
		{"a write is lost", false, [][]step{atOnce(put(a), history.Done, a), atOnce(read, history.Done, none)}},
		{"a stale read", false, [][]step{atOnce(put(a), history.Done, a), atOnce(put(b), history.Done, b), atOnce(read, history.Done, a)}},
		{"a share keeps the definition", true, [][]step{atOnce(put(a), history.Done, a), atOnce(share, history.Done, value("a", "2")), atOnce(read, history.Done, value("a", "2"))}},
		{"a share of nothing", false, [][]step{atOnce(share, history.Done, value("", "2"))}},
		{"a share of nothing is missing", true, [][]step{atOnce(share, history.Missing, none)}},
		{"something is missing that is there", false, [][]step{atOnce(put(a), history.Done, a), atOnce(remove, history.Missing, none)}},
		{"a condition that holds", true, [][]step{atOnce(put(a), history.Done, a), atOnce(given(put(b), a), history.Done, b)}},
		{"a condition that does not hold is overlooked", false, [][]step{atOnce(put(a), history.Done, a), atOnce(given(put(b), none), history.Done, b)}},
		{"a condition that holds is refused", false, [][]step{atOnce(put(a), history.Done, a), atOnce(given(put(b), a), history.Changed, none)}},
		{"two of the same condition", false, [][]step{
			atOnce(put(a), history.Done, a),
			{begin(1, given(put(b), a)), begin(2, given(put(value("c", "")), a)), end(1, history.Done, b), end(2, history.Done, value("c", ""))},
		}},
		{"an unknown write that is read", true, [][]step{atOnce(put(a), history.Unknown, none), atOnce(read, history.Done, a)}},
		{"an unknown write that is not read", true, [][]step{atOnce(put(a), history.Unknown, none), died, atOnce(read, history.Done, none)}},
		{"an unknown write that takes effect late", true, [][]step{atOnce(put(a), history.Unknown, none), atOnce(read, history.Done, none), atOnce(read, history.Done, a)}},
		{"an unknown write that takes effect after a death", false, [][]step{atOnce(put(a), history.Unknown, none), died, atOnce(read, history.Done, none), atOnce(read, history.Done, a)}},
		{"an unknown write that comes and goes", false, [][]step{atOnce(put(a), history.Unknown, none), atOnce(read, history.Done, a), atOnce(read, history.Done, none)}},
		{"an unknown read", true, [][]step{atOnce(read, history.Unknown, none)}},
		{"a declined write", true, [][]step{atOnce(put(a), history.Declined, none), atOnce(read, history.Done, none)}},
		{"a declined write takes effect", false, [][]step{atOnce(put(a), history.Declined, none), atOnce(read, history.Done, a)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var page bytes.Buffer
			err := record(tt.steps...).Check(time.Minute, &page)
			if (err == nil) != tt.holds {
				t.Errorf("got %v, expected it to hold: %t", err, tt.holds)
			}
			if hasPage := strings.Contains(page.String(), "<html"); hasPage == tt.holds {
				t.Errorf("a page: %t", hasPage)
			}
		})
	}
}

func TestCheckRevisions(t *testing.T) {
	change := func(r *history.Recorder, object string, revision uint64) {
		v := value(object, "")
		r.Begin(1, object, put(v)).End(history.Answer{Outcome: history.Done, Value: v, Revision: revision})
	}
	r := history.New()
	change(r, "x", 1)
	change(r, "y", 3)
	slow := r.Begin(2, "z", put(value("z", "")))
	change(r, "x", 4)
	slow.End(history.Answer{Outcome: history.Done, Revision: 2})
	if err := r.CheckRevisions(); err == nil {
		t.Error("revision 2 began after 3 had returned, which is not found")
	}
	r = history.New()
	slow = r.Begin(2, "z", put(value("z", "")))
	change(r, "x", 2)
	slow.End(history.Answer{Outcome: history.Done, Revision: 1})
	change(r, "y", 3)
	if err := r.CheckRevisions(); err != nil {
		t.Error(err)
	}
	if got := r.Changes(); len(got) != 3 || got[0].Revision != 1 || got[2].Object != "y" {
		t.Errorf("changes %+v", got)
	}
	if got := r.Count()["put done"]; got != 3 {
		t.Errorf("%d writes counted, expected 3", got)
	}
}
