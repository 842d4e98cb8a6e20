package bootstrap

import "testing"

// A node that joins tells of its own steps, and of nothing else: what it says is shown to people and
// programs, and a code or a sync are for the inviting node to tell.
func TestIsGuestStep(t *testing.T) {
	t.Parallel()
	steps := []string{stepStop, stepCIB, stepKey, stepConf, stepCorosync, stepPacemaker, stepMember}
	for _, step := range steps {
		for _, state := range []string{"begin", "done", "kept", "undone", "failed"} {
			if !isGuestStep(message{Type: msgStep, ID: step, State: state, Text: "anything"}) {
				t.Errorf("%s %s is refused", step, state)
			}
		}
		for _, state := range []string{"", "waiting", "warning", "Done", "done ", "done\nwarning"} {
			if isGuestStep(message{Type: msgStep, ID: step, State: state}) {
				t.Errorf("%s %q is told", step, state)
			}
		}
	}
	for _, step := range []string{"", "node", "sync", "code", "write", "secret", stepStop + " ", stepKey + "\n"} {
		if isGuestStep(message{Type: msgStep, ID: step, State: "done"}) {
			t.Errorf("the step %q is told", step)
		}
	}
}
