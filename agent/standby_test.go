package agent_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/activity"
)

// leave has Pacemaker stop HAProxy here; arrive has it started with the file on
// disk. Whoever watches HAProxy tells the agent.
func (w *world) leave() {
	w.mu.Lock()
	w.running, w.servers = false, nil
	w.mu.Unlock()
	w.agent.Look()
	synctest.Wait()
}

func (w *world) arrive() {
	w.mu.Lock()
	w.running = true
	w.applied = append(w.applied, w.file)
	w.servers = serversIn(w.file)
	w.mu.Unlock()
	w.agent.Look()
}

// onDisk are the members in the file.
func (w *world) onDisk() []string {
	pause(w.t.Context(), 2*time.Second)
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	return members(serversIn(w.file))
}

func TestWhereHAProxyDoesNotRunItsFileIsKeptUpToDate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.idle, w.jitter = true, time.Hour // which is for reloads
		w.chance = func(most time.Duration) time.Duration { return most }
		w.ready("1.0.0 8001")
		if got := w.onDisk(); !slices.Equal(got, []string{"8001"}) {
			t.Errorf("the file has the members %v", got)
		}
		w.consul("shop", 2, "", "1.0.0 8002", "1.0.0 8003")
		if got := w.onDisk(); !slices.Equal(got, []string{"8002", "8003"}) {
			t.Errorf("the file has the members %v", got)
		}
		if w.adjustments() > 0 {
			t.Error("HAProxy was asked to change its servers")
		}
		status, err := w.agent.Status(t.Context())
		if ready, reasons := status.Ready(); err != nil || !ready || !status.HAProxy.Idle {
			t.Errorf("the agent is not ready: %v, %+v, %v", reasons, status, err)
		}

		// It serves what the file says, and from then on changes as it runs.
		w.arrive()
		w.serves("8002", "8003")
		attempts := w.attempts()
		w.consul("shop", 3, "", "1.0.0 8003")
		w.serves("8003")
		if w.attempts() != attempts || w.adjustments() == 0 {
			t.Errorf("%d attempts, were %d; %d changes at run time", w.attempts(), attempts, w.adjustments())
		}
		if n := w.count(activity.HAProxyAdopted); n != 1 {
			t.Errorf("%d adoptions noted", n)
		}

		w.leave()
		w.consul("shop", 4, "", "1.0.0 8004")
		if got := w.onDisk(); !slices.Equal(got, []string{"8004"}) {
			t.Errorf("the file has the members %v", got)
		}
		if n := w.count(activity.HAProxyReloadFailed) + w.count(activity.ServersRepaired); n > 0 {
			t.Errorf("noted: %v", w.verbs())
		}
	})
}

// What changes between HAProxy's reading of its file and the agent's notice of it
// is put right at once.
func TestChangeWhileHAProxyStarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.idle = true
		w.ready("1.0.0 8001")
		w.mu.Lock()
		old := w.file
		w.mu.Unlock()
		w.consul("shop", 2, "", "1.0.0 8002")
		if got := w.onDisk(); !slices.Equal(got, []string{"8002"}) {
			t.Fatalf("the file has the members %v", got)
		}
		w.mu.Lock()
		w.running, w.servers, w.applied = true, serversIn(old), append(w.applied, old)
		w.mu.Unlock()
		w.agent.Look()
		w.serves("8002")
	})
}

// An agent that starts beside a HAProxy that does not run is in step, too.
func TestAgentStartsWhereHAProxyDoesNotRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.idle = true
		w.run()
		select {
		case <-w.agent.InStep():
		case <-time.After(time.Minute):
			t.Error("the agent is not in step")
		}
		if w.count(activity.HAProxyStarted) > 0 {
			t.Error("HAProxy was started")
		}
	})
}
