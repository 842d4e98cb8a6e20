package statsock_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"thalassa/statsock"
)

func TestShowStat(t *testing.T) {
	for _, version := range []string{"2.6.12", "3.0.11", "3.2.26"} {
		s := say(t, string(fixture(t, "show-stat-"+version+".csv")))
		stats, err := statsock.New(s.path).ShowStat(t.Context())
		if err != nil {
			t.Errorf("%s: %v", version, err)
			continue
		}
		names := make([]string, 0, len(stats))
		rows := map[string]statsock.Stat{}
		for _, row := range stats {
			name := row.Proxy + "/" + row.Server + " " + row.Kind.String()
			names = append(names, name)
			rows[name] = row
		}
		want := "web/FRONTEND frontend,live/a server,live/b server,live/c server,live/d server,live/BACKEND backend," +
			"page/FRONTEND frontend,page/sock-1 listener,page/BACKEND backend"
		if got := strings.Join(names, ","); got != want {
			t.Errorf("%s: got %s", version, got)
		}
		checkRows(t, version, rows)
	}
}

func checkRows(t *testing.T, version string, rows map[string]statsock.Stat) {
	t.Helper()
	web := rows["web/FRONTEND frontend"]
	if web.Status != "OPEN" || web.Mode != "http" || web.TotalSessions != 5 || web.TotalRequests != 5 || web.SessionLimit < 1000 ||
		web.Responses[1] != 5 || web.BytesIn != 410 || web.ProxyID == 0 {
		t.Errorf("%s: frontend %+v", version, web)
	}
	a := rows["live/a server"]
	if a.Status != "UP" || a.Weight != 100 || a.Active != 1 || a.Backup != 0 || a.CheckStatus != "L7OK" || a.CheckCode != 200 ||
		a.Cookie != "a" || a.Address != "127.0.0.1:18082" || a.TotalSessions != 5 || a.ServerID != 1 || a.LastChange <= 0 {
		t.Errorf("%s: server a %+v", version, a)
	}
	b := rows["live/b server"]
	if b.Status != "DOWN" || b.CheckStatus != "L4CON" || b.LastCheck != "Connection refused" || b.CheckDowns != 1 || b.LastSession != -time.Second {
		t.Errorf("%s: server b %+v", version, b)
	}
	c := rows["live/c server"]
	if c.Backup != 1 || c.Active != 0 || c.CheckCode != 404 || c.CheckDescription != "Layer7 wrong status" {
		t.Errorf("%s: server c %+v", version, c)
	}
	live := rows["live/BACKEND backend"]
	if live.Balance != "leastconn" || live.Weight != 100 || live.Active != 1 || live.Cookie != "SRV" {
		t.Errorf("%s: backend %+v", version, live)
	}
	if d := rows["live/d server"]; d.Status != "MAINT" {
		t.Errorf("%s: server d %+v", version, d)
	}
}

func TestReadStatsFields(t *testing.T) {
	const head = "# pxname,svname,scur,last_chk,status,future,\n"
	for _, test := range []struct {
		name, line string
		want       statsock.Stat
	}{
		{"plain", "p,s,3,x,UP,,", statsock.Stat{Proxy: "p", Server: "s", CurrentSessions: 3, LastCheck: "x", Status: "UP"}},
		{"quotes", `p,s,3,"a, ""b"" c",UP,,`, statsock.Stat{Proxy: "p", Server: "s", CurrentSessions: 3, LastCheck: `a, "b" c`, Status: "UP"}},
		{"line break in quotes", "p,s,,\"a\nb\n\nc\",UP,,", statsock.Stat{Proxy: "p", Server: "s", LastCheck: "a\nb\n\nc", Status: "UP"}},
		{"empty quotes", `p,s,,"",UP`, statsock.Stat{Proxy: "p", Server: "s", Status: "UP"}},
		{"quotes at the end", `p,s,,"a"`, statsock.Stat{Proxy: "p", Server: "s", LastCheck: "a"}},
		{"short", "p,s", statsock.Stat{Proxy: "p", Server: "s"}},
		{"long", "p,s,1,,UP,f,g,h,i", statsock.Stat{Proxy: "p", Server: "s", CurrentSessions: 1, Status: "UP"}},
		{
			"longer than the buffer",
			"p,s,1," + strings.Repeat("y", 200_000) + ",UP,,",
			statsock.Stat{Proxy: "p", Server: "s", CurrentSessions: 1, LastCheck: strings.Repeat("y", 200_000), Status: "UP"},
		},
	} {
		text := head + test.line + "\np,last,,,,,\n\n"
		for how, r := range map[string]io.Reader{"at once": strings.NewReader(text), "bytewise": iotest.OneByteReader(strings.NewReader(text))} {
			got, err := statsock.ReadStats(r)
			if err != nil || len(got) != 2 || got[0] != test.want || got[1].Server != "last" {
				t.Errorf("%s, read %s: %.200v, %v", test.name, how, got, err)
			}
		}
	}
}

func TestReadStatsRefuses(t *testing.T) {
	for _, text := range []string{
		"Permission denied\n\n",
		"# svname,pxname,\n\n",
		"\n",
		"# pxname,svname,scur,\np,s,many,\n\n",
		"# pxname,svname,type,\np,s,x,\n\n",
		"# pxname,svname,lastchg,\np,s,soon,\n\n",
		"# pxname,svname,\n,,\n\n",
		"# pxname,svname,\np,s,\"" + strings.Repeat("\n", 2<<20),
	} {
		if got, err := statsock.ReadStats(strings.NewReader(text)); err == nil {
			t.Errorf("%.60q gave %+v", text, got)
		}
	}
}

func TestReadStatsNoticesEveryCut(t *testing.T) {
	whole := fixture(t, "show-stat-2.6.12.csv")
	for cut := range whole {
		if _, err := statsock.ReadStats(bytes.NewReader(whole[:cut])); err == nil {
			t.Fatalf("cut after %d bytes: no error", cut)
		}
	}
	failing := iotest.TimeoutReader(iotest.OneByteReader(bytes.NewReader(whole)))
	if _, err := statsock.ReadStats(failing); !errors.Is(err, iotest.ErrTimeout) {
		t.Errorf("got %v, want the reader's error", err)
	}
}

func TestKindString(t *testing.T) {
	if got := statsock.Kind(9).String(); got != "kind 9" {
		t.Error(got)
	}
}

// table is the answer of a HAProxy with many servers.
func table(servers int) []byte {
	text := fixtureLines()
	var b bytes.Buffer
	b.WriteString(text[0] + "\n")
	for i := range servers {
		line := strings.Replace(text[2], "live,a,", fmt.Sprintf("backend-%d,10.0.%d.%d:8080,", i/20, i/250, i%250), 1)
		b.WriteString(line + "\n")
	}
	b.WriteString("\n")
	return b.Bytes()
}

func fixtureLines() []string {
	return strings.Split(string(fixture(&testing.B{}, "show-stat-2.6.12.csv")), "\n")
}

func BenchmarkReadStats(b *testing.B) {
	data := table(10_000)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if stats, err := statsock.ReadStats(bytes.NewReader(data)); err != nil || len(stats) != 10_000 {
			b.Fatal(len(stats), err)
		}
	}
}
