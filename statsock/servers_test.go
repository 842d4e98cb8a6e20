package statsock_test

import (
	"reflect"
	"strings"
	"testing"

	"thalassa/statsock"
)

// serversOf26 is HAProxy 2.6.12's answer: a server whose check failed, one that
// was disabled in the file and put to use since, one in maintenance, one that
// drains.
const serversOf26 = `1
# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr srv_agent_addr srv_agent_port
3 b 1 s1 127.0.0.1 0 0 1 1 8 8 2 0 6 0 0 0 - 9001 - 0 0 - - 0
3 b 2 s2 127.0.0.1 2 4 5 1 0 1 0 2 6 0 0 0 - 9002 - 0 0 - - 0
4 c 1 s1 ::1 0 5 1 1 1 1 0 0 14 0 0 0 - 1 - 0 0 - - 0
4 c 2 s2 10.0.0.1 2 8 256 1 1 1 0 2 6 0 0 0 - 80 - 0 0 - - 0
`

func TestParseServers(t *testing.T) {
	got, err := statsock.ParseServers(serversOf26)
	if err != nil {
		t.Fatal(err)
	}
	want := []statsock.Server{
		{Backend: "b", Name: "s1", Address: "127.0.0.1", Port: 9001, Weight: 1},
		{Backend: "b", Name: "s2", Address: "127.0.0.1", Port: 9002, Weight: 5, Up: true},
		{Backend: "c", Name: "s1", Address: "::1", Port: 1, Weight: 1, Maintenance: true},
		{Backend: "c", Name: "s2", Address: "10.0.0.1", Port: 80, Weight: 256, Draining: true, Up: true},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// TestParseSettings: TLS, and where checks and agents are asked.
func TestParseSettings(t *testing.T) {
	for fields, want := range map[string]statsock.Server{
		"1 8080 10.0.0.2 10.0.0.3 9000": {TLS: true, CheckPort: 8080, CheckAddress: "10.0.0.2", AgentAddress: "10.0.0.3", AgentPort: 9000},
		"-1 0 ::1 - 0":                  {CheckAddress: "::1"},
	} {
		got, err := statsock.ParseServers(strings.Replace(serversOf26, "9001 - 0 0 - - 0", "9001 - "+fields, 1))
		want.Backend, want.Name, want.Address, want.Port, want.Weight = "b", "s1", "127.0.0.1", 9001, 1
		if err != nil || len(got) == 0 || got[0] != want {
			t.Errorf("%s: got %+v, %v", fields, got, err)
		}
	}
	got, err := statsock.ParseServers(strings.ReplaceAll(serversOf26, "srv_use_ssl", "srv_ssl"))
	if err != nil || len(got) != 4 || !got[0].Partial {
		t.Errorf("without a column: got %+v, %v", got, err)
	}
	if got, err := statsock.ParseServers(strings.Replace(serversOf26, "9001 - 0 0", "9001 - 0 port", 1)); err == nil {
		t.Errorf("got %+v", got)
	}
}

func TestParseServersRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"another version": strings.Replace(serversOf26, "1\n", "2\n", 1),
		"a refusal":       "Can't find backend.\n",
		"a lost column":   strings.Replace(serversOf26, "srv_port", "srv_other", 1),
		"a short line":    "1\n# be_id be_name srv_name srv_addr srv_port srv_uweight srv_admin_state srv_op_state\n3 b s1\n",
		"no number":       strings.Replace(serversOf26, " 9001 ", " x ", 1),
	} {
		if got, err := statsock.ParseServers(text); err == nil {
			t.Errorf("%s: taken as %+v", name, got)
		}
	}
}

func FuzzParseServers(f *testing.F) {
	f.Add(serversOf26)
	f.Add("1\n# \n")
	f.Fuzz(func(_ *testing.T, text string) { _, _ = statsock.ParseServers(text) })
}
