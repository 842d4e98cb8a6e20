package strictjson_test

import (
	"encoding/json"
	"strings"
	"testing"

	"thalassa/internal/strictjson"
)

type document struct {
	Name  string          `json:"name"`
	Inner *part           `json:"inner"`
	List  []part          `json:"list"`
	Raw   json.RawMessage `json:"raw"`
}

type part struct {
	Port int `json:"port"`
}

// A field that is set twice is refused wherever it is: encoding/json takes the last one, other
// programs the first.
func TestAFieldThatIsSetTwice(t *testing.T) {
	for body, want := range map[string]string{
		`{"name":"a","name":"a"}`:                       "name: is set twice, expected each field once",
		`{"inner":{"port":1},"inner":{}}`:               "inner: is set twice, expected each field once",
		`{"inner":{"port":1,"port":2}}`:                 "inner.port: is set twice, expected each field once",
		`{"list":[{"port":1},{"port":1,"port":"two"}]}`: "list[1].port: is set twice, expected each field once",
		`{"raw":[],"name":"a","raw":{"x":1}}`:           "raw: is set twice, expected each field once",
		`{"name":"a","n\u0061me":"b"}`:                  "name: is set twice, expected each field once",
		`{"list":[{"port":1},{"port":1}]}`:              "",
	} {
		var doc document
		err := strictjson.Decode([]byte(body), &doc)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", body, err, want)
		}
		if err := strictjson.DecodeLenient([]byte(body), &doc); err != nil && !strings.Contains(body, "two") {
			t.Errorf("%s: refused in a stored document: %v", body, err)
		}
	}
}
