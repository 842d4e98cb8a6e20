package routes_test

import (
	"strings"
	"testing"
	"time"

	"thalassa/auth"
	"thalassa/routes"
)

func TestParse(t *testing.T) {
	list, err := routes.Parse([]routes.Entry{
		{Path: "/img/", Files: "/srv/images/"},
		{Path: "/grafana/", Proxy: "http://127.0.0.1:3000", Role: "operate", Strip: true, Timeout: "5s", Connections: 7},
		{Path: "/a/b/", Proxy: "unix:/run/x.sock"},
		{Path: "/six/", Proxy: "http://[::1]/"},
	}, []string{"backends"})
	if err != nil {
		t.Fatal(err)
	}
	want := []routes.Route{
		{Path: "/img/", Role: auth.Read, Connections: 256, Files: "/srv/images", Timeout: time.Minute},
		{Path: "/grafana/", Role: auth.Operate, Connections: 7, Proxy: routes.Target{Network: "tcp", Address: "127.0.0.1:3000"}, Strip: true, Timeout: 5 * time.Second},
		{Path: "/a/b/", Role: auth.Read, Connections: 256, Proxy: routes.Target{Network: "unix", Address: "/run/x.sock"}, Timeout: time.Minute},
		{Path: "/six/", Role: auth.Read, Connections: 256, Proxy: routes.Target{Network: "tcp", Address: "[::1]:80"}, Timeout: time.Minute},
	}
	for i, w := range want {
		if list[i] != w {
			t.Errorf("got  %+v\nwant %+v", list[i], w)
		}
	}
}

func TestParseNamesTheRoute(t *testing.T) {
	app := "http://127.0.0.1:3000"
	for name, c := range map[string]struct {
		entry routes.Entry
		says  string
	}{
		"no slash at the end":  {routes.Entry{Path: "/img", Files: "/srv"}, `/img: path: "/img" does not begin and end with a slash`},
		"everything":           {routes.Entry{Path: "/", Files: "/srv"}, "/: path:"},
		"no path":              {routes.Entry{Files: "/srv"}, "[0]: path:"},
		"upwards":              {routes.Entry{Path: "/a/../", Files: "/srv"}, "/a/../: path:"},
		"encoded":              {routes.Entry{Path: "/%62ackends/", Files: "/srv"}, "/%62ackends/: path:"},
		"empty segment":        {routes.Entry{Path: "//backends/", Files: "/srv"}, "path:"},
		"our own":              {routes.Entry{Path: "/backends/", Files: "/srv"}, "/backends/: path: \"/backends/\" belongs to Thalassa's own"},
		"below our own":        {routes.Entry{Path: "/backends/x/y/", Files: "/srv"}, "belongs to Thalassa's own"},
		"nothing":              {routes.Entry{Path: "/a/"}, "/a/: expected either files or proxy"},
		"both":                 {routes.Entry{Path: "/a/", Files: "/srv", Proxy: app}, "expected either files or proxy"},
		"relative":             {routes.Entry{Path: "/a/", Files: "srv"}, `files: "srv" is not the absolute path`},
		"unknown role":         {routes.Entry{Path: "/a/", Proxy: app, Role: "anybody"}, "role: the role is not one of"},
		"another scheme":       {routes.Entry{Path: "/a/", Proxy: "ftp://127.0.0.1"}, "expected http://host:port or unix:"},
		"a path":               {routes.Entry{Path: "/a/", Proxy: app + "/x"}, "is not the address of an application"},
		"a query":              {routes.Entry{Path: "/a/", Proxy: app + "?x"}, "is not the address of an application"},
		"no port":              {routes.Entry{Path: "/a/", Proxy: "http://h:0"}, "has no port"},
		"relative socket":      {routes.Entry{Path: "/a/", Proxy: "unix:run/x"}, "has no absolute path"},
		"strip of files":       {routes.Entry{Path: "/a/", Files: "/srv", Strip: true}, "are for a proxy"},
		"headers of files":     {routes.Entry{Path: "/a/", Files: "/srv", DropHeaders: []string{"X"}}, "are for a proxy"},
		"no header":            {routes.Entry{Path: "/a/", Proxy: app, DropHeaders: []string{"X: y"}}, `dropHeaders: "X: y" is not the name of a header`},
		"every header":         {routes.Entry{Path: "/a/", Proxy: app, PassHeaders: []string{"*"}}, `passHeaders: "*" is not the name of a header`},
		"our header":           {routes.Entry{Path: "/a/", Proxy: app, PassHeaders: []string{"x_forwarded-user"}}, `passHeaders: "x_forwarded-user" may be a header that the agent sets or removes itself`},
		"maybe our header":     {routes.Entry{Path: "/a/", Proxy: app, PassHeaders: []string{"X-For*"}}, `passHeaders: "X-For*" may be a header that the agent sets or removes itself`},
		"our credentials":      {routes.Entry{Path: "/a/", Proxy: app, PassHeaders: []string{"Authorization"}}, `passHeaders: "Authorization" may be a header`},
		"scripts of a proxy":   {routes.Entry{Path: "/a/", Proxy: app, Scripts: true}, "scripts: is for files"},
		"no time":              {routes.Entry{Path: "/a/", Proxy: app, Timeout: "1ms"}, `timeout: "1ms" is out of range, expected 1s to 1h`},
		"not a time":           {routes.Entry{Path: "/a/", Proxy: app, Timeout: "soon"}, `timeout: "soon"`},
		"fewer than none":      {routes.Entry{Path: "/a/", Proxy: app, Connections: -1}, "connections: -1"},
		"password in the text": {routes.Entry{Path: "/a/", Proxy: "http://u:secret@h:1"}, "is not the address"},
	} {
		_, err := routes.Parse([]routes.Entry{c.entry}, []string{"backends"})
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	twice := routes.Entry{Path: "/a/", Files: "/srv"}
	if _, err := routes.Parse([]routes.Entry{twice, twice}, nil); err == nil || !strings.Contains(err.Error(), "/a/: path: is set twice") {
		t.Errorf("twice: %v", err)
	}
}

func TestTheLongestPathWins(t *testing.T) {
	list, err := routes.Parse([]routes.Entry{
		{Path: "/a/", Files: "/1"}, {Path: "/a/b/c/", Files: "/3"}, {Path: "/a/b/", Files: "/2"},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	router := routes.New(routes.Config{}, list)
	for path, want := range map[string]string{
		"/a/": "/1", "/a": "/1", "/a/x": "/1", "/a/bc": "/1", "/a/b/": "/2", "/a/b": "/2", "/a/b/cd": "/2", "/a/b/c/d/e": "/3",
		"/": "", "/ab": "", "/x/a/": "", "": "",
	} {
		got := ""
		if p := router.Find(path); p != nil {
			got = p.Route().Files
		}
		if got != want {
			t.Errorf("%q: %q, want %q", path, got, want)
		}
	}
}
