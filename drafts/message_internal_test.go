package drafts

import (
	"testing"
	"time"
)

// What another agent says beside the drafts is refused if it would stop all agents for ever.
func TestWhatCannotBe(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	s := state{Term: 3, Last: 7, Keeper: "n1"}
	for name, m := range map[string]message{
		"a term at the end":  {Term: 1<<64 - 1, Keeper: "n2"},
		"a number at an end": {Term: 3, Keeper: "n1", Last: 1<<64 - 1},
		"the year 9999":      {Term: 3, Keeper: "n1", Forgotten: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)},
		"no keeper":          {Term: 4},
	} {
		if s.canBe(m, now) {
			t.Errorf("%s is taken over", name)
		}
	}
	for name, m := range map[string]message{"a new agent": {}, "the next term": {Term: 4, Keeper: "n2", Last: 9, Forgotten: now}} {
		if !s.canBe(m, now) {
			t.Errorf("%s is refused", name)
		}
	}
}
