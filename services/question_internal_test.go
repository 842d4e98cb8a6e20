package services

import (
	"strings"
	"testing"
)

// No more than a short line is read, whatever comes.
func TestQuestionIsShort(t *testing.T) {
	t.Parallel()
	rest := strings.NewReader(`{"verb":"` + strings.Repeat("x", 1<<20) + `"}` + "\n")
	if _, err := readQuestion(rest); err == nil || !strings.Contains(err.Error(), "not a line of at most 1024 bytes") || rest.Len() < 1<<20-2*maxQuestion {
		t.Errorf("%v; %d bytes are left", err, rest.Len())
	}
}
