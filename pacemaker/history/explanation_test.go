package history_test

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"thalassa/cluster"
	"thalassa/cluster/failover"
)

// A node that the input before had is lost: its phases are made from the record alone.
func TestExplainALossByTheRecord(t *testing.T) {
	p := past(t)
	p.Nodes = func() (string, []string) { return "n2", []string{"n1"} }
	put := func(data []byte, old, fresh string) []byte {
		if !bytes.Contains(data, []byte(old)) {
			t.Fatalf("the input lacks %s", old)
		}
		return bytes.Replace(data, []byte(old), []byte(fresh), 1)
	}
	add(t, p.Archive, "pe-input-1.bz2", input(noon.Add(-time.Minute), 1, false, "2s"))
	lost := put(input(noon, 1, false, "2s"), `uname="n1" in_ccm="true" crmd="online" join="member"`, `uname="n1" in_ccm="false" crmd="offline" join="down"`)
	first := add(t, p.Archive, "pe-warn-1.bz2", lost)
	arrived := moved(t)
	arrived = put(arrived, `uname="n1" in_ccm="true" crmd="online" join="member"`, `uname="n1" in_ccm="false" crmd="offline" join="down"`)
	last := add(t, p.Archive, "pe-input-2.bz2", arrived)
	var asked []time.Time
	p.Events = func(_ context.Context, from, to time.Time) []failover.Source {
		asked = append(asked, from, to)
		return nil
	}
	e, err := p.Explain(t.Context(), first.ID)
	if err != nil {
		t.Fatal(err)
	}
	if len(asked) != 2 || !asked[0].Before(noon) || !asked[1].After(noon) {
		t.Errorf("asked for events from, to %s", asked)
	}
	if e.Kind != failover.KindLoss || e.Node != "n1" || e.LogNode != "n2" || !slices.Equal(e.Missing, []string{"n1"}) || !slices.Equal(e.Transitions, []string{first.ID}) {
		t.Errorf("%+v", e)
	}
	i := slices.IndexFunc(e.Phases, func(p failover.Phase) bool { return p.Name == failover.PhaseAddress })
	if i < 0 || e.Phases[i].Node != "n2" || !e.Phases[i].Begin.Earliest.Equal(noon.Add(2*time.Second)) || e.Phases[i].Took.MinMS > 1500 || e.Phases[i].Took.MaxMS < 1500 {
		t.Errorf("phases: %+v", e.Phases)
	}
	if e.Phases[0].Name != failover.PhaseDetection || !e.Phases[0].Begin.Earliest.Equal(noon.Add(-time.Minute)) || e.Phases[0].Recorded {
		t.Errorf("detection: %+v", e.Phases[0])
	}
	rules := []string{}
	for _, a := range e.Advice {
		rules = append(rules, a.Rule)
	}
	if !slices.Contains(rules, "transition-delay") {
		t.Errorf("advice: %+v", e.Advice)
	}
	if !strings.Contains(strings.Join(e.Notes, " "), "n2 stayed the DC") {
		t.Errorf("notes: %q", e.Notes)
	}
	if e, err := p.Explain(t.Context(), last.ID); err != nil || e.Kind == failover.KindLoss {
		t.Errorf("the one after: %+v, %v", e, err)
	}
	if _, err := p.Explain(t.Context(), "x"); !isMissing(err) {
		t.Errorf("one that there is not: %v", err)
	}
}

// An agent whose node has become the DC may have nothing of before: a node that is to be fenced
// and is away was lost, whatever else has failed.
func TestExplainALossWithoutBefore(t *testing.T) {
	p := past(t)
	only := add(t, p.Archive, "pe-warn-1.bz2", withoutN1(t))
	e, err := p.Explain(t.Context(), only.ID)
	if err != nil || e.Kind != failover.KindLoss || e.Node != "n1" || !strings.Contains(strings.Join(e.Notes, " "), "No transition before these is known") {
		t.Errorf("%+v, %v", e, err)
	}
	if i := slices.IndexFunc(e.Phases, func(p failover.Phase) bool { return p.Name == failover.PhaseFencing }); i < 0 || e.Phases[i].Recorded {
		t.Errorf("phases %+v", e.Phases)
	}
}

// withoutN1 is an input in which the node with the address is lost and to be fenced.
func withoutN1(t *testing.T) []byte {
	t.Helper()
	data := input(noon, 1, true, "0s")
	for _, change := range [][2]string{
		{`uname="n1" in_ccm="true" crmd="online" join="member"`, `uname="n1" in_ccm="false" crmd="offline" join="down"`},
		{`name="stonith-enabled" value="false"`, `name="stonith-enabled" value="true"`},
	} {
		if !bytes.Contains(data, []byte(change[0])) {
			t.Fatalf("the input lacks %s", change[0])
		}
		data = bytes.Replace(data, []byte(change[0]), []byte(change[1]), 1)
	}
	return data
}

// What is an address is what the configuration says at the time of the loss, not at the beginning of
// the run: it may have been made a moment before.
func TestExplainALossOfWhatIsNew(t *testing.T) {
	p := past(t)
	before, vip, _ := bytes.Cut(input(noon.Add(-2*time.Second), 1, false, "0s"), []byte(`<primitive id="vip"`))
	_, after, _ := bytes.Cut(vip, []byte(`</primitive>`))
	add(t, p.Archive, "pe-input-0.bz2", slices.Concat(before, after))
	lost := add(t, p.Archive, "pe-warn-1.bz2", withoutN1(t))
	p.Live = func() ([]cluster.OperationResult, time.Time) {
		return []cluster.OperationResult{{Node: "n2", Resource: "vip", Name: "start", Time: noon.Add(3 * time.Second), DurationMS: 40, Call: 99}}, noon.Add(20 * time.Second)
	}
	e, err := p.Explain(t.Context(), lost.ID)
	if err != nil || !slices.ContainsFunc(e.Phases, func(p failover.Phase) bool { return p.Name == failover.PhaseAddress && p.Node == "n2" }) {
		t.Errorf("phases %+v, %v", e.Phases, err)
	}
}

// Of the latest transition, the results are those that the cluster has.
func TestExplainWithTheStatus(t *testing.T) {
	p := past(t)
	only := add(t, p.Archive, "pe-warn-1.bz2", withoutN1(t))
	for _, at := range []time.Time{{}, noon.Add(20 * time.Second)} {
		p.Live = func() (results []cluster.OperationResult, now time.Time) {
			if at.IsZero() {
				return nil, at
			}
			return []cluster.OperationResult{{Node: "n2", Resource: "vip", Name: "start", Time: noon.Add(3 * time.Second), DurationMS: 40, Call: 99}}, at
		}
		e, err := p.Explain(t.Context(), only.ID)
		came := slices.ContainsFunc(e.Phases, func(p failover.Phase) bool { return p.Name == failover.PhaseAddress && p.Node == "n2" })
		if lacks := strings.Contains(strings.Join(e.Notes, " "), "no later transition yet"); err != nil || lacks != at.IsZero() || came != !at.IsZero() {
			t.Errorf("with the status at %s: %+v, %v", at, e, err)
		}
	}
}
