package pacemaker_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"thalassa/cluster"
	"thalassa/internal/testkit"
	"thalassa/pacemaker"
)

// writeLog writes a log file, last changed at a time.
func writeLog(t *testing.T, path, text string, changed time.Time) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, changed, changed); err != nil {
		t.Fatal(err)
	}
}

// fakeJournal is a journalctl that notes its arguments and says a text.
func fakeJournal(t *testing.T, says string) (cfg pacemaker.Config, args func() string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "said"), []byte(says), 0o600); err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\nprintf '%s\\n' \"$@\" >" + dir + "/args\ncat " + dir + "/said\n"
	if err := testkit.WriteProgram(filepath.Join(dir, "journalctl"), []byte(script)); err != nil {
		t.Fatal(err)
	}
	return pacemaker.Config{Tools: dir}, func() string {
		data, err := os.ReadFile(filepath.Join(dir, "args"))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
}

// Lines as Pacemaker 2.1 and 3.0, resource agents and corosync 3.1 write them, and as
// journald has them.
func TestLogsOfAnInterval(t *testing.T) {
	noon := time.Date(2026, 11, 29, 12, 0, 0, 0, time.Local)
	stamp := func(second int) string {
		return noon.Add(time.Duration(second) * time.Second).Format("Jan 02 15:04:05")
	}
	dir := t.TempDir()
	pm, cs := filepath.Join(dir, "pacemaker.log"), filepath.Join(dir, "corosync.log")
	writeLog(t, pm, strings.Join([]string{
		stamp(-3) + ".001 n2 pacemaker-schedulerd[75] (pcmk__log) \tnotice: too early",
		stamp(1) + ".250 n2 pacemaker-attrd     [79] (update_attr_on_host) \tnotice: Setting thalassa-history[n2]: D95Wx8d0r40BPaoq -> x",
		stamp(1) + ".260 n2 pacemaker-attrd     [79] (attrd_cib_callback) \tinfo: * thalassa-history[n2]=D95Wx8d0r40BPaoq",
		stamp(1) + ".500 n2 pacemaker-controld  [76] (do_state_transition) \tnotice: State transition S_IDLE -> S_POLICY_ENGINE",
		stamp(2) + "  IPaddr2(vip)[215]:    INFO: Bringing device eth0 up",
		"  a line of its own",
		stamp(3) + ".000 n2 pacemaker-fenced    [77] (log_op) \terror: fence_x says opensesame, passwd=hunter2",
		stamp(9) + ".000 n2 pacemaker-controld  [76] (x) \tinfo: too late", "",
	}, "\n"), noon.Add(time.Minute))
	writeLog(t, cs, stamp(2)+".500 [33] n2 corosync notice  [TOTEM ] A new membership (1.2f) was formed. Members left: 1\n", noon.Add(time.Minute))
	micros := func(second float64) int64 { return noon.UnixMicro() + int64(second*1e6) }
	cfg, args := fakeJournal(t, fmt.Sprintf(`{"__REALTIME_TIMESTAMP":"%d","MESSAGE":" notice: State transition S_IDLE -> S_POLICY_ENGINE","PRIORITY":"5","SYSLOG_IDENTIFIER":"pacemaker-controld","_PID":"76"}
{"__REALTIME_TIMESTAMP":"%d","MESSAGE":"Server live/s1 is DOWN","PRIORITY":"1","_COMM":"haproxy","_PID":"900"}
{"__REALTIME_TIMESTAMP":"%d","MESSAGE":[1,2,3],"SYSLOG_IDENTIFIER":"corosync"}
no json
`, micros(1.5004), micros(4), micros(4)))
	hide := func(s string) string { return strings.ReplaceAll(s, "opensesame", "********") }
	hideAll := func(s string) string { return hide((*pacemaker.CIB)(nil).Hide(s)) }
	lines, sources, more := pacemaker.ReadLogs(t.Context(), cfg, []string{pm, cs, filepath.Join(dir, "none.log")}, noon, noon.Add(5*time.Second), hideAll)
	if more || !slices.Equal(sources, []cluster.LogSource{{Name: "journal"}, {Name: "pacemaker.log"}, {Name: "corosync.log"}}) {
		t.Errorf("sources %+v, more %t", sources, more)
	}
	merged, more := cluster.MergedLines(lines, 100)
	var got []string
	for _, l := range merged {
		got = append(got, fmt.Sprintf("%.3f %s %s[%d] %s: %s", l.Time.Sub(noon).Seconds(), l.Source, l.Daemon, l.PID, l.Severity, l.Text))
	}
	want := []string{
		"1.500 pacemaker.log pacemaker-controld[76] notice: State transition S_IDLE -> S_POLICY_ENGINE",
		"2.000 pacemaker.log IPaddr2(vip)[215] info: Bringing device eth0 up",
		"2.500 corosync.log corosync[33] notice: [TOTEM ] A new membership (1.2f) was formed. Members left: 1",
		"3.000 pacemaker.log pacemaker-fenced[77] error: fence_x says ********, ********",
		"4.000 journal haproxy[900] error: Server live/s1 is DOWN",
	}
	if more || !slices.Equal(got, want) {
		t.Errorf("more %t\n%s\nwant\n%s", more, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if latest, more := cluster.MergedLines(lines, 2); !more || len(latest) != 2 || latest[1].Daemon != "haproxy" {
		t.Errorf("the latest two: %+v, more %t", latest, more)
	}
	asked := args()
	for _, want := range []string{"--output=json", "_SYSTEMD_UNIT=pacemaker.service\n+\n", "SYSLOG_IDENTIFIER=corosync", "--since=" + noon.UTC().Format("2006-01-02 15:04:05.000000"), "--lines=2000"} {
		if !strings.Contains(asked, want) {
			t.Errorf("journalctl was not asked for %q:\n%s", want, asked)
		}
	}
}

// Of a large file, the interval is found without reading it all; at the turn of the year, too.
// What is no regular file is a problem, and bounded.
func TestLogFilesThatAreLarge(t *testing.T) {
	newYear := time.Date(2027, 1, 1, 0, 0, 0, 0, time.Local)
	var b strings.Builder
	const lines = 16_000
	said := strings.Repeat("and more ", 60)
	begin := newYear.Add(-lines / 2 * time.Second)
	for i := range lines {
		fmt.Fprintf(&b, "%s n1 pacemaker-controld[7] (f) \tinfo: line %d of many, with something to say about it, %s\n", begin.Add(time.Duration(i)*time.Second).Format("Jan 02 15:04:05"), i, said)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "pacemaker.log")
	writeLog(t, path, b.String(), begin.Add(lines*time.Second))
	cfg, _ := fakeJournal(t, "")
	read := func(from, to time.Time) ([]cluster.LogLine, []cluster.LogSource, bool) {
		return pacemaker.ReadLogs(t.Context(), cfg, []string{path}, from, to, func(s string) string { return s })
	}
	got, _, more := read(newYear.Add(-3*time.Second), newYear.Add(3*time.Second))
	if len(got) != 7 || more || !strings.HasPrefix(got[0].Text, fmt.Sprintf("line %d ", lines/2-3)) || !got[6].Time.Equal(newYear.Add(3*time.Second)) {
		t.Errorf("around the new year: %d, %t, %+v", len(got), more, got)
	}
	got, _, more = read(newYear, newYear.Add(time.Hour))
	if len(got) != 2000 || !more || !got[1999].Time.Equal(newYear.Add(time.Hour)) {
		t.Errorf("an hour: %d lines, more %t", len(got), more)
	}
	_, sources, more := read(begin, begin.Add(lines*time.Second))
	if !more || len(sources) != 2 || !strings.Contains(sources[1].Problem, "choose a shorter one") {
		t.Errorf("all: %+v, %t", sources, more)
	}
	if got, _, more := read(begin.Add(-2*time.Hour), begin.Add(-time.Hour)); len(got) > 0 || more {
		t.Errorf("before all: %+v", got)
	}
	secret := filepath.Join(dir, "elsewhere")
	writeLog(t, secret, b.String()[:2000], newYear)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(secret, path); err != nil {
		t.Fatal(err)
	}
	if got, sources, _ := read(begin, newYear); len(got) > 0 || len(sources) != 2 || sources[1].Problem == "" {
		t.Errorf("a link: %+v, %+v", sources, got)
	}
	_, sources, _ = pacemaker.ReadLogs(t.Context(), pacemaker.Config{Tools: dir}, nil, begin, newYear, func(s string) string { return s })
	if len(sources) != 1 || sources[0].Problem == "" {
		t.Errorf("without journalctl: %+v", sources)
	}
}
