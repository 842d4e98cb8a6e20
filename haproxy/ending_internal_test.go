package haproxy

import "testing"

func TestBlameOf(t *testing.T) {
	former := []int{10, 11}
	for _, tt := range []struct {
		name, output string
		want         blame
	}{
		{"nothing", "", blame{}},
		{"a bad line", "[ALERT]    (1) : config : parsing [x:1] : unknown keyword", blame{}},
		{
			"the worker that served was killed", "[ALERT]    (1) : Current worker (10) exited with code 137 (Killed)\n[ALERT]    (1) : exit-on-failure",
			blame{others: "Current worker (10) exited with code 137"},
		},
		{
			"it has crashed", "[ALERT]    (1) : Current worker (10) exited with code 139 (Segmentation fault)",
			blame{others: "Current worker (10) exited with code 139"},
		},
		{
			"the new one was killed", "[ALERT]    (1) : Current worker (12) exited with code 137 (Killed)",
			blame{unclear: "Current worker (12) exited with code 137"},
		},
		{
			"the new one could not start, which ends the others", "[ALERT]    (1) : Current worker (12) exited with code 1 (Exit)\n" +
				"[WARNING]  (1) : Former worker (10) exited with code 143 (Terminated)", blame{},
		},
		{
			"a former one ended as usual", "[NOTICE]   (1) : Former worker (11) exited with code 143 (Terminated)\n" +
				"[ALERT]    (1) : Current worker (12) exited with code 139 (Segmentation fault)", blame{},
		},
	} {
		if got := blameOf(tt.output, former); got != tt.want {
			t.Errorf("%s: got %+v, expected %+v", tt.name, got, tt.want)
		}
	}
}

func TestUnclearEnds(t *testing.T) {
	var ends unclearEnds
	if !ends.isFirst("a") || ends.isFirst("a") {
		t.Error("the second end in a row with a configuration counts as the first, or the first does not")
	}
	if !ends.isFirst("b") || !ends.isFirst("a") {
		t.Error("another configuration is in between")
	}
	ends.forget()
	if !ends.isFirst("a") {
		t.Error("HAProxy has served in between")
	}
}
