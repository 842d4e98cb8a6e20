package pacemaker

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// The scheduler gets more time in a larger cluster. For a standby in one of 400 resources on
// 16 nodes it takes 14 s of processor time (2.1.5).
func TestSchedulerTime(t *testing.T) {
	for size, want := range map[[2]int]time.Duration{
		{2, 3}: 20*time.Second + 60*time.Millisecond, {400, 16}: 84 * time.Second, {5000, 32}: 10 * time.Minute,
	} {
		var text strings.Builder
		text.WriteString(`<cib admin_epoch="0" epoch="1" num_updates="1"><configuration><nodes>`)
		for i := range size[1] {
			fmt.Fprintf(&text, `<node id="%d" uname="n%d"/>`, i, i)
		}
		text.WriteString(`</nodes><resources>`)
		for i := range size[0] {
			fmt.Fprintf(&text, `<primitive id="r%d"/>`, i)
		}
		text.WriteString(`</resources></configuration></cib>`)
		cib, err := ParseCIB([]byte(text.String()))
		if err != nil {
			t.Fatal(err)
		}
		if got := cib.schedulerTime(20 * time.Second); got != want {
			t.Errorf("%d resources on %d nodes: %s, expected %s", size[0], size[1], got, want)
		}
	}
}
