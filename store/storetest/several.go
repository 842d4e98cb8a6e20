package storetest

import (
	"errors"

	"thalassa/lb"
)

// testSeveral commits several proposals at once: a revision each, but for those that
// change nothing.
func (s suite) testSeveral() {
	t := s.T
	commit(t, s, 0, Sample("1"), stamp(1))
	first := load(t, s)
	second := with(first, "two")
	third := with(second, "three")
	revs, err := s.CommitAll(t.Context(), 1, []lb.Proposal{
		{Intent: first, Origin: stamp(2)},
		{Intent: second, Origin: stamp(3)},
		{Intent: second, Origin: stamp(4)},
		{Intent: third, Origin: stamp(5)},
	})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "answers", len(revs), 4)
	for i, number := range []uint64{1, 2, 2, 3} {
		want(t, "number of an answer", revs[i].Number, number)
	}
	in := load(t, s)
	want(t, "revision", in.Revision, uint64(3))
	third.Revision = 3
	want(t, "intent", in, third)
	history := revisions(t, s, 0, 0)
	want(t, "history", history[:2], []lb.Revision{revs[3], revs[1]})
	want(t, "change of the last", history[0].Changes[0].ID, "backend/three")
}

// testSeveralOrNone shows that one bad proposal, or an old base, leaves everything as it
// was.
func (s suite) testSeveralOrNone() {
	t := s.T
	commit(t, s, 0, Sample("1"), stamp(1))
	good := with(load(t, s), "two")
	bad := with(good, "three")
	bad.Backends["misplaced"] = bad.Backends["three"]
	if _, err := s.CommitAll(t.Context(), 1, []lb.Proposal{{Intent: good}, {Intent: bad}}); err == nil {
		t.Error("a proposal that cannot be loaded again was accepted")
	}
	if _, err := s.CommitAll(t.Context(), 0, []lb.Proposal{{Intent: good}}); !errors.As(err, new(*lb.StaleRevisionError)) {
		t.Errorf("an old base gave %v", err)
	}
	want(t, "revision", load(t, s).Revision, uint64(1))
}
