package statsock_test

import (
	"strings"
	"testing"

	"thalassa/statsock"
)

const dumped = `1
# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr srv_agent_addr srv_agent_port
4 be 1 s1 127.0.0.1 0 12 9 1 2 17 2 0 6 0 0 0 - 38913 - 0 0 - - 0
4 be 2 s2 192.0.2.1 2 0 1 1 2 15 3 4 6 0 0 0 www.example.org 80 - 0 0 - - 0
`

func TestDump(t *testing.T) {
	t.Parallel()
	dump, err := statsock.ParseDump(dumped)
	if err != nil || len(dump.Lines) != 2 || dump.Heading+dump.Lines[0].String()+dump.Lines[1].String() != dumped {
		t.Fatalf("got %+v, %v", dump, err)
	}
	first, second := dump.Lines[0], dump.Lines[1]
	if first.Backend != "be" || first.Name != "s1" || first.Port != 38913 || first.Up || !first.Draining || first.Host != "" || second.Host != "www.example.org" {
		t.Errorf("got %+v and %+v", first, second)
	}
	want := "4 be 1 s1 127.0.0.1 0 0 5 5 2 17 2 0 0 0 0 0 - 38913 -\n"
	if got := first.Health(5); got != want || first.Weight != 9 || !strings.Contains(dumped, first.String()) {
		t.Errorf("health: got %s, and the line is %s", got, first)
	}
	want = "4 be 1 s1 127.0.0.1 0 12 9 1 2 17 2 0 6 0 0 0 - 38913 -\n"
	if got := first.Kept(); got != want {
		t.Errorf("kept: got %s", got)
	}
}

func TestDumpsOfAnotherForm(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "2\n", "1\n", "1\nbe_id\n", "1\n# be_name srv_name\n",
		strings.Replace(dumped, "srv_fqdn", "srv_name_of_host", 1),
		strings.Replace(dumped, "srv_iweight", "weight", 1),
		strings.Replace(dumped, "srv_port srvrecord", "srvrecord srv_port", 1),
		strings.Replace(dumped, " - - 0\n", "\n", 1),
		strings.Replace(dumped, "38913", "port", 1),
	} {
		if dump, err := statsock.ParseDump(text); err == nil {
			t.Errorf("%q is read as %+v", text, dump)
		}
	}
}
