package history_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/cluster"
	"thalassa/internal/testkit"
	"thalassa/pacemaker"
	"thalassa/pacemaker/history"
)

// past is a Past with Pacemaker's real tools.
func past(t *testing.T) history.Past {
	t.Helper()
	testkit.Needs(t, "Pacemaker")
	if !pacemaker.New(pacemaker.Config{}).Installed() {
		testkit.Missing(t, "Pacemaker's tools are not installed; make setup installs them")
	}
	return history.Past{Archive: open(t, t.TempDir(), history.Bounds{})}
}

func TestQuestionsAboutTheRecord(t *testing.T) {
	p := past(t)
	quiet := add(t, p.Archive, "pe-input-1.bz2", input(noon, 1, false, "0s"))
	failed := add(t, p.Archive, "pe-warn-1.bz2", input(noon.Add(time.Minute), 2, true, "2s"))
	v, err := p.State(t.Context(), quiet.ID)
	if err != nil {
		t.Fatal(err)
	}
	if v.DC != "n2" || len(v.Nodes) != 2 || v.Self != "" || v.Epoch != quiet.Epoch || len(v.FloatingIPs) != 1 || v.FloatingIPs[0].Node != "n1" {
		t.Errorf("the state was %+v", v)
	}
	known, err := p.Decide(t.Context(), failed.ID)
	if err != nil {
		t.Fatal(err)
	}
	isRecovery := func(c cluster.Consequence) bool { return c.Resource == "vip" && c.Action == "recover" }
	if !known.Known || !slices.ContainsFunc(known.Decisions, isRecovery) {
		t.Errorf("decided was %+v", known.Decisions)
	}
	if list := found(p.Archive, cluster.HistoryFilter{Resource: "vip", Node: "n1", Tag: "warning"}); !slices.Equal(list, []string{failed.ID}) {
		t.Errorf("about vip on n1: %v", list)
	}
	predicted, err := p.Predicted(t.Context(), failed.ID)
	if err != nil || len(predicted.Graph.Steps) == 0 {
		t.Errorf("predicted: %+v, %v", predicted, err)
	}
	lost := cluster.Scenario{Inject: []cluster.Injection{{Node: "n1", State: cluster.NodeUnclean}}}
	supposed, err := p.Suppose(t.Context(), failed.ID, lost)
	if err != nil || len(supposed.Supposed) != 1 || slices.ContainsFunc(supposed.Actions, isRecovery) {
		t.Errorf("with the failure of n1: %+v, %v", supposed, err)
	}
	if _, err := p.Suppose(t.Context(), "x", lost); err == nil {
		t.Error("a transition that there is not was simulated")
	}
	diff, err := p.Difference(quiet.ID, failed.ID)
	if err != nil || len(diff) != 1 || !bytes.Contains([]byte(diff[0].After), []byte("2s")) {
		t.Errorf("the difference is %+v, %v", diff, err)
	}
	masked, err := p.MaskedCIB(failed.ID)
	if err != nil || bytes.Contains(masked, []byte(secret)) {
		t.Errorf("the CIB without secrets is %s, %v", masked, err)
	}
	name, data, err := p.File(failed.ID)
	if err != nil || name != "pe-warn-1.bz2" || !bytes.Contains(data, []byte(secret)) {
		t.Errorf("the file is %s, %v", name, err)
	}
}

func TestRecorder(t *testing.T) {
	p, dir := past(t), t.TempDir()
	put := func(name string, data []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("pe-input-1.bz2", input(noon, 1, false, "0s"))
	put("pe-input.last", []byte("1"))
	ctx, cancel := context.WithCancel(t.Context())
	r := history.NewRecorder(p, dir, time.Now, slog.New(slog.DiscardHandler))
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	has := func(n int) {
		testkit.Eventually(t, 10*time.Second, func() error {
			list, _ := p.Find(cluster.HistoryFilter{}, 100)
			if len(list) != n || slices.ContainsFunc(list, func(t cluster.Transition) bool { return !t.Known }) {
				return fmt.Errorf("expected %d transitions with decisions, there are %v", n, ids(list))
			}
			return nil
		})
	}
	has(1)
	whole := input(noon.Add(time.Minute), 2, true, "0s")
	put("pe-warn-1.bz2", whole[:len(whole)/2]) // it is being written
	put("pe-input-2.bz2", input(noon.Add(2*time.Minute), 3, true, "0s"))
	has(2)
	put("pe-warn-1.bz2", whole)
	has(3)
	if err := os.Remove(filepath.Join(dir, "pe-input-1.bz2")); err != nil { // the series begins anew
		t.Fatal(err)
	}
	put("pe-input-1.bz2", input(noon.Add(3*time.Minute), 4, true, "0s"))
	has(4)
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// A scheduler that was late is asked again, after pauses that grow: what it decided is found out in the
// end, and the others do not wait for that.
func TestSchedulerIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		<-time.After(time.Until(noon)) // the archive keeps nothing that is old
		asked := map[string][]time.Duration{}
		p := history.Past{Archive: open(t, t.TempDir(), history.Bounds{})}
		earlier := add(t, p.Archive, "pe-input-1.bz2", input(noon.Add(-time.Minute), 1, false, "0s"))
		late := add(t, p.Archive, "pe-warn-1.bz2", input(noon, 2, true, "0s"))
		never := add(t, p.Archive, "pe-error-1.bz2", input(noon.Add(time.Second), 3, true, "0s"))
		begun := time.Now()
		p.Elsewhere = &history.Elsewhere{Told: func(id, _ string, v any) (bool, error) {
			asked[id] = append(asked[id], time.Since(begun).Round(time.Minute))
			if id == never.ID || id == late.ID && len(asked[id]) < 4 {
				return false, errors.New("crm_simulate has not answered in time")
			}
			v.(*cluster.Prediction).Actions = []cluster.Consequence{{Action: "recover", Resource: "vip", Node: "n1"}}
			return true, nil
		}}
		ctx, cancel := context.WithCancel(t.Context())
		r := history.NewRecorder(p, filepath.Join(t.TempDir(), "none"), time.Now, slog.New(slog.DiscardHandler))
		ended := make(chan error, 1)
		go func() { ended <- r.Run(ctx) }()
		<-time.After(3 * 24 * time.Hour)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if !slices.Equal(asked[late.ID], []time.Duration{0, time.Minute, 3 * time.Minute, 7 * time.Minute}) || !slices.Equal(asked[earlier.ID], []time.Duration{0}) {
			t.Errorf("asked after %v, and about the one before after %v", asked[late.ID], asked[earlier.ID])
		}
		if vain := asked[never.ID]; len(vain) != 13 || vain[12]-vain[11] != 24*time.Hour {
			t.Errorf("asked in vain after %v", vain)
		}
		if list := found(p.Archive, cluster.HistoryFilter{Resource: "vip", Node: "n1"}); !slices.Contains(list, late.ID) {
			t.Errorf("about vip on n1 are %v", list)
		}
	})
}
