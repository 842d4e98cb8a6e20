package api_test

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"thalassa/api"
	"thalassa/api/apitest"
	"thalassa/auth"
	"thalassa/lb"
)

// docs are the pages of the REST API in the order in which their examples run.
var docs = []string{"../docs/api-objects.md", "../docs/api-state.md", "../docs/api-canary.md", "../docs/api-changes.md", "../docs/api.md", "../docs/sections.md", "../docs/api-routes.md"}

func readDocs(t *testing.T) string {
	t.Helper()
	var pages strings.Builder
	for _, path := range docs {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		pages.Write(data)
	}
	return pages.String()
}

// A block is a fenced part of the page.
type block struct {
	language, info, text string
}

func blocks(page string) []block {
	found := regexp.MustCompile("(?ms)^```([a-z]*) ?(.*?)\n(.*?)^```$").FindAllStringSubmatch(page, -1)
	out := make([]block, len(found))
	for i, m := range found {
		out[i] = block{m[1], m[2], m[3]}
	}
	return out
}

// words splits a shell command line; quotes and continued lines are understood.
func words(line string) []string {
	var out []string
	var word strings.Builder
	quote, inWord := rune(0), false
	for _, r := range strings.ReplaceAll(line, "\\\n", " ") {
		switch {
		case r == quote:
			quote = 0
		case quote == 0 && (r == '\'' || r == '"'):
			quote, inWord = r, true
		case quote == 0 && (r == ' ' || r == '\n'):
			if inWord {
				out = append(out, word.String())
			}
			word.Reset()
			inWord = false
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	if inWord {
		out = append(out, word.String())
	}
	return out
}

// curl performs a curl command against the fixture.
func (f *fixture) curl(command string) reply {
	f.tb.Helper()
	method, path, body, headers := "GET", "", "", []string(nil)
	args := words(command)
	for i := 1; i < len(args); i++ {
		switch a := args[i]; a {
		case "-s":
		case "-X", "-H", "-d":
			i++
			switch a {
			case "-X":
				method = args[i]
			case "-H":
				headers = append(headers, args[i])
			case "-d":
				body = args[i]
			}
		default:
			var ok bool
			if path, ok = strings.CutPrefix(a, "localhost:10000"); !ok {
				f.tb.Fatalf("%s: the test does not know the argument %s", command, a)
			}
		}
	}
	return f.do(method, path, body, headers...)
}

// The examples of the pages run one after the other. An answer that a page shows
// below an example is the answer of the API.
func TestExamplesOfTheDocumentation(t *testing.T) {
	node, err := apitest.New(at0)
	if err != nil {
		t.Fatal(err)
	}
	node.Discover("demo", "10.1.0.1:8080 1.0.0", "10.1.0.2:8080 1.1.0")
	node.Count("10.1.0.1:8080", lb.ServerStats{
		Check: "L4OK", Sessions: 1, Requests: 1800, Responses: lb.Responses{Success: 1795, ClientError: 4, ServerError: 1}, ResponseTimeMS: 3,
	})
	node.Count("10.1.0.2:8080", lb.ServerStats{
		Check: "L4OK", Requests: 201, Responses: lb.Responses{Success: 200}, ResponseErrors: 1, ResponseTimeMS: 4,
	})
	server := httptest.NewServer(api.New(node.Config()))
	defer server.Close()
	go func() { _ = node.Run(t.Context()) }()
	s := &fixture{Node: node, tb: t, url: server.URL}
	list := blocks(readDocs(t))
	performed := 0
	for i, b := range list {
		if b.language != "sh" {
			continue
		}
		commands := strings.Split("\n"+b.text, "\ncurl ")[1:]
		for j, c := range commands {
			performed++
			want, shown := 200, block{}
			if j == len(commands)-1 && i+1 < len(list) && list[i+1].language == "json" {
				shown = list[i+1]
				if shown.info != "" {
					want, _ = strconv.Atoi(shown.info)
				}
			}
			r := s.curl("curl " + c)
			if r.status != want && (want != 200 || r.status/100 != 2) {
				t.Errorf("curl %s: %d, want %d: %s", c, r.status, want, r.body)
			} else if shown.text != "" {
				same(t, r.body, shown.text)
			}
		}
	}
	if performed < 15 {
		t.Errorf("the page has %d examples", performed)
	}
}

func TestDocumentationListsEveryRoute(t *testing.T) {
	var index struct {
		Routes []struct{ Method, Path, Role, Summary string }
	}
	newFixture(t).get("/").wants(t, 200, &index)
	want := make([]string, len(index.Routes))
	for i, r := range index.Routes {
		want[i] = r.Method + " " + r.Path + " " + r.Role
	}
	rows := regexp.MustCompile("(?m)^\\| `([A-Z]+ /[^`]*)` \\| ([a-z]+) \\|").FindAllStringSubmatch(readDocs(t), -1)
	got := make([]string, len(rows))
	for i, m := range rows {
		got[i] = m[1] + " " + m[2]
	}
	if !slices.Equal(got, want) {
		t.Errorf("the page lists %q\nthe API has   %q", got, want)
	}
}

// The page's table of errors is the one of openapi.json.
func TestDocumentationListsEveryError(t *testing.T) {
	d := openDocument(t)
	page := readDocs(t)
	codes, _ := at(map[string]any(d), "components", "schemas", "Error", "properties", "code", "enum").([]any)
	for _, c := range codes {
		if !regexp.MustCompile("(?m)^\\| \\d{3} \\| `" + c.(string) + "` \\|").MatchString(page) {
			t.Errorf("the page lacks the code %s", c)
		}
	}
	for _, item := range mapOf(d["paths"]) {
		for method, operation := range mapOf(item) {
			for status := range mapOf(at(operation, "responses")) {
				if method != "parameters" && status >= "400" && !strings.Contains(page, "| "+status+" |") {
					t.Errorf("the page lacks the status %s", status)
				}
			}
		}
	}
}

func TestTokenFileOfTheDocumentation(t *testing.T) {
	for _, b := range blocks(readDocs(t)) {
		if b.language != "text" {
			continue
		}
		path := filepath.Join(t.TempDir(), "tokens")
		if err := os.WriteFile(path, []byte(b.text), 0o600); err != nil {
			t.Fatal(err)
		}
		tokens, err := auth.Open(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for token, name := range map[string]string{"cq2vXJ8Zf7sYwLr4": "dashboard", "pK4wZ8tGv2Lq7XcD": "ci", "9hT6mKpQ3xBn1RzE": "ops"} {
			if who, _, ok := auth.NewAuthority(tokens, nil).Token(token); !ok || who.Name != name {
				t.Errorf("%s's token: %v, %v", name, who, ok)
			}
		}
		return
	}
	t.Error("the page shows no token file")
}
