package statsock_test

import (
	"reflect"
	"strings"
	"testing"

	"thalassa/statsock"
)

// connectionsOf26 is HAProxy 2.6.12's answer; 3.2 gives the same columns.
const connectionsOf26 = `# bkname/svname bkid/svid addr port - purge_delay used_cur used_max need_est unsafe_nb safe_nb idle_lim idle_cur idle_per_thr[2]
live/s1 2/1 127.0.0.1 9001 - 5000 3 7 7 1 0 -1 1 1 0
live/s2 2/2 ::1.2.3.4 1 - 5000 0 0 0 0 0 -1 0 0 0

`

func TestParseConnections(t *testing.T) {
	got, err := statsock.ParseConnections(connectionsOf26)
	if err != nil {
		t.Fatal(err)
	}
	want := []statsock.Connections{
		{Backend: "live", Name: "s1", Address: "127.0.0.1", Port: 9001, Used: 3},
		{Backend: "live", Name: "s2", Address: "::1.2.3.4", Port: 1},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestParseConnectionsRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"a refusal":     "Can't find backend.\n",
		"a lost column": strings.Replace(connectionsOf26, "used_cur", "other", 1),
		"a short line":  connectionsOf26 + "live/s3 2/3 ::1\n",
		"no server":     strings.Replace(connectionsOf26, "live/s1", "live", 1),
		"no number":     strings.Replace(connectionsOf26, " 5000 3 ", " 5000 x ", 1),
	} {
		if got, err := statsock.ParseConnections(text); err == nil {
			t.Errorf("%s: taken as %+v", name, got)
		}
	}
}

func FuzzParseConnections(f *testing.F) {
	f.Add(connectionsOf26)
	f.Add("# \n")
	f.Fuzz(func(_ *testing.T, text string) { _, _ = statsock.ParseConnections(text) })
}
