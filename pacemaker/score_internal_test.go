package pacemaker

import (
	"encoding/xml"
	"slices"
	"testing"
)

// Scores are those of the scheduler's last step, of instances without their number.
func TestScoresAreTheLast(t *testing.T) {
	var s scoresXML
	if err := xml.Unmarshal([]byte(`<pacemaker-result><allocations>
		<node_weight function="pcmk__clone_allocate" node="a" score="0" id="web:0"/>
		<node_weight function="pcmk__primitive_assign" node="a" score="-INFINITY" id="web:0"/>
		<node_weight function="pcmk__primitive_assign" node="b" score="100" id="web:1"/>
		<node_weight function="pcmk__primitive_assign" node="b" score="-1000" id="other"/>
	</allocations></pacemaker-result>`), &s); err != nil {
		t.Fatal(err)
	}
	got := s.sentences([]string{"web"})
	if len(got) != 1 || !slices.Equal(got["web"], []string{"its score on a is -INFINITY"}) {
		t.Errorf("%q", got)
	}
}
