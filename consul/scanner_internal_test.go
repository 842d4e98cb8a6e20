package consul

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// manyChecks is an answer about all checks of a catalog.
func manyChecks(n int) string {
	var out strings.Builder
	out.WriteByte('[')
	for i := range n {
		if i > 0 {
			out.WriteByte(',')
		}
		fmt.Fprintf(&out, `{"Node":"node-%d","CheckID":"service:s%d-%d","Name":"alive","Status":"passing","Notes":"","Output":"HTTP GET \"http://10.0.0.%d/health\": 200 OK Output: ok","ServiceID":"s%d-%d","ServiceName":"s%d","ServiceTags":["a","b"],"Type":"http","Interval":"10s","Timeout":"1s","ExposedPort":0,"Definition":{"Interval":"0s","Timeout":"0s","Header":{"a":[null,1.5e3,true]}},"CreateIndex":%d,"ModifyIndex":%d}`,
			i%10, i/10, i%10, i%10, i/10, i%10, i/10, i, i)
	}
	out.WriteByte(']')
	return out.String()
}

func scanned(text io.Reader) ([]Check, error) {
	var got []Check
	err := scanChecks(text, func(c Check) { got = append(got, c) })
	return got, err
}

// What a scanner reads is what encoding/json reads, however the text is cut
// into pieces.
func TestScannerAgreesWithJSON(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`[]`, ` null `, `[ ]`, "[{}]", "[\n\t{ \"Node\" : \"a\" , \"X\" : {} } , {\"Node\":null} ]\r\n",
		`[{"Node":"a\"b\\","CheckID":"\u00e9\n","Output":"\\\"","Status":"é"},{"ServiceName":"x","Output":"\\"}]`,
		`[{"Output":[[{"a":[1,-2.5e10,true,false,null,"]"]}],{}],"Node":"n"}]`,
		`[{"Output":"` + strings.Repeat(`x\"`, 50_000) + `","Node":"` + strings.Repeat("n", 60_000) + `"}]`,
		manyChecks(1000),
	} {
		var want []Check
		if err := json.Unmarshal([]byte(text), &want); err != nil {
			t.Fatal(err)
		}
		for name, r := range map[string]io.Reader{
			"whole": strings.NewReader(text), "bytes": iotest.OneByteReader(strings.NewReader(text)), "halves": iotest.HalfReader(strings.NewReader(text)),
			"with its end": iotest.DataErrReader(strings.NewReader(text)),
		} {
			if got, err := scanned(r); err != nil || !slices.Equal(got, want) {
				t.Errorf("%.60s (%s): %d checks, %v, want %d", text, name, len(got), err, len(want))
			}
		}
	}
}

func TestScannerRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		``, ` `, `{}`, `"x"`, `x`, `nil`, `[`, `[1]`, `[{]`, `[{"Node":"a"}`, `[{"Node":"a"},`, `[{"Node":"a"} {}]`, `[{"Node":1}]`, `[{"Node"}]`,
		`[{"Node":"a",}]`, `[{"Node":"a"x}]`, `[{"Node":nul}]`, `[{"Node":"\x"}]`, `[{"Output":}]`, `[{"Output":]}]`, `[{"Output":1"a"}]`, `[{"Output":,}]`,
		`[{"Output":"`, `[{"Output":"\`, `[{"Output":1`, `[{"Output":[1`, `[{Node:"a"}]`,
		`[{"Output":` + strings.Repeat("[", maxDepth+1), `[{"Node":"` + strings.Repeat("n", maxScanned+1) + `\t"}]`,
	} {
		if got, err := scanned(strings.NewReader(text)); err == nil {
			t.Errorf("%.60s: no error, %+v", text, got)
		}
	}
}

func FuzzScanner(f *testing.F) {
	f.Add(manyChecks(2))
	f.Add(`[{"Node":"\ud800","X":[{}]}]`)
	f.Fuzz(func(t *testing.T, text string) {
		var want []map[string]json.RawMessage
		if json.Unmarshal([]byte(text), &want) != nil {
			_, _ = scanned(strings.NewReader(text)) // it has to end
			return
		}
		got, err := scanned(strings.NewReader(text))
		if err == nil && len(got) != len(want) {
			t.Errorf("%q: %d checks, want %d", text, len(got), len(want))
		}
	})
}

func BenchmarkScanChecks(b *testing.B) {
	text := manyChecks(10_000)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		if err := scanChecks(strings.NewReader(text), func(Check) { n++ }); err != nil || n != 10_000 {
			b.Fatal(n, err)
		}
	}
}
