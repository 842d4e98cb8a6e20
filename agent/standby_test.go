package agent_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/activity"
)

// leave has Pacemaker stop HAProxy here; arrive has it started with the file on
// disk. The agent is told of the restart.
func (fx *fixture) leave() {
	fx.mu.Lock()
	fx.running, fx.servers = false, nil
	fx.mu.Unlock()
	fx.agent.Look()
	synctest.Wait()
}

func (fx *fixture) arrive() {
	fx.mu.Lock()
	fx.running = true
	fx.applied = append(fx.applied, fx.file)
	fx.servers = serversIn(fx.file)
	fx.mu.Unlock()
	fx.agent.Look()
}

// onDisk are the members in the file.
func (fx *fixture) onDisk() []string {
	pause(fx.t.Context(), 2*time.Second)
	synctest.Wait()
	fx.mu.Lock()
	defer fx.mu.Unlock()
	return members(serversIn(fx.file))
}

func TestWhereHAProxyDoesNotRunItsFileIsKeptUpToDate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.idle, fx.jitter = true, time.Hour // which is for reloads
		fx.chance = func(most time.Duration) time.Duration { return most }
		fx.ready("1.0.0 8001")
		if got := fx.onDisk(); !slices.Equal(got, []string{"8001"}) {
			t.Errorf("the file has the members %v", got)
		}
		fx.consul("shop", 2, "", "1.0.0 8002", "1.0.0 8003")
		if got := fx.onDisk(); !slices.Equal(got, []string{"8002", "8003"}) {
			t.Errorf("the file has the members %v", got)
		}
		if fx.adjustments() > 0 {
			t.Error("HAProxy was asked to change its servers")
		}
		status, err := fx.agent.Status(t.Context())
		if ready, reasons := status.Ready(); err != nil || !ready || !status.HAProxy.Idle {
			t.Errorf("the agent is not ready: %v, %+v, %v", reasons, status, err)
		}

		// It serves what the file says, and from then on changes as it runs.
		fx.arrive()
		fx.serves("8002", "8003")
		attempts := fx.attempts()
		fx.consul("shop", 3, "", "1.0.0 8003")
		fx.serves("8003")
		if fx.attempts() != attempts || fx.adjustments() == 0 {
			t.Errorf("%d attempts, were %d; %d changes at run time", fx.attempts(), attempts, fx.adjustments())
		}
		if n := fx.count(activity.HAProxyAdopted); n != 1 {
			t.Errorf("%d adoptions noted", n)
		}

		fx.leave()
		fx.consul("shop", 4, "", "1.0.0 8004")
		if got := fx.onDisk(); !slices.Equal(got, []string{"8004"}) {
			t.Errorf("the file has the members %v", got)
		}
		if n := fx.count(activity.HAProxyReloadFailed) + fx.count(activity.ServersRepaired); n > 0 {
			t.Errorf("noted: %v", fx.verbs())
		}
	})
}

// What changes between HAProxy's reading of its file and the agent's notice of it
// is put right at once.
func TestChangeWhileHAProxyStarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.idle = true
		fx.ready("1.0.0 8001")
		fx.mu.Lock()
		old := fx.file
		fx.mu.Unlock()
		fx.consul("shop", 2, "", "1.0.0 8002")
		if got := fx.onDisk(); !slices.Equal(got, []string{"8002"}) {
			t.Fatalf("the file has the members %v", got)
		}
		fx.mu.Lock()
		fx.running, fx.servers, fx.applied = true, serversIn(old), append(fx.applied, old)
		fx.mu.Unlock()
		fx.agent.Look()
		fx.serves("8002")
	})
}

// An agent that starts beside a HAProxy that does not run is in step, too.
func TestAgentStartsWhereHAProxyDoesNotRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.idle = true
		fx.run()
		select {
		case <-fx.agent.InStep():
		case <-time.After(time.Minute):
			t.Error("the agent is not in step")
		}
		if fx.count(activity.HAProxyStarted) > 0 {
			t.Error("HAProxy was started")
		}
	})
}
