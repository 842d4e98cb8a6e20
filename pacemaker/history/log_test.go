package history_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"thalassa/cluster"
	"thalassa/pacemaker/history"
)

// Pacemaker logs a change before its scheduler runs, and a secret may be there for a moment only: it is
// masked if any version of the configuration has it, from the one before an interval to the one after.
func TestSecretsOfAMomentAreMasked(t *testing.T) {
	a := open(t, t.TempDir(), history.Bounds{})
	secrets := []string{"first-of-all", "for-a-moment", "not-yet-there"}
	for i, s := range secrets {
		text := bytes.ReplaceAll(input(noon.Add(time.Duration(i)*10*time.Second), i+1, false, "0s"), []byte(secret), []byte(s))
		add(t, a, fmt.Sprintf("pe-input-%d.bz2", i), text)
	}
	p := history.Past{Archive: a, Elsewhere: &history.Elsewhere{Lines: func(context.Context, time.Time, time.Time) ([]cluster.LogLine, []cluster.LogSource, bool) {
		var lines []cluster.LogLine
		for _, s := range secrets {
			lines = append(lines, cluster.LogLine{Time: noon.Add(9 * time.Second), Source: "pacemaker.log", Text: "++ value=" + s})
		}
		return lines, nil, false
	}}}
	for _, to := range []time.Duration{9 * time.Second, 12 * time.Second, 30 * time.Second} {
		log := p.Log(t.Context(), noon.Add(5*time.Second), noon.Add(to), 100)
		hidden := secrets
		if to < 10*time.Second {
			hidden = secrets[:2] // the third came later
		}
		var all strings.Builder
		for _, l := range log.Lines {
			all.WriteString(l.Text + "\n")
		}
		text := all.String()
		for _, s := range hidden {
			if strings.Contains(text, s) {
				t.Errorf("until %s: %s", to, text)
			}
		}
	}
}
