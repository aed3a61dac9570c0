package gcfacts

// The columns of the lists of a detection, of transitions and of words, as those of a shard.

type candidateColumns struct {
	Detection string   `parquet:"detection,dict"`
	Kind      string   `parquet:"kind,dict"`
	IDNumber  int64    `parquet:"id_number,optional,delta"`
	IDUUID    [16]byte `parquet:"id_uuid,optional,uuid"`
	IDText    string   `parquet:"id_text,optional,delta"`
	Bucket    string   `parquet:"bucket,optional,dict"`
	Key       string   `parquet:"key,optional,delta"`
	KeyBytes  []byte   `parquet:"key_bytes,optional"`
	Size      int64    `parquet:"size,optional"`
	Modified  int64    `parquet:"modified,optional,delta,timestamp(millisecond)"`
	Alone     int64    `parquet:"alone,optional"`
}

func (p *page) candidate(detection string, c *Candidate) {
	p.must(detection)
	p.must(text(c.Kind))
	p.id(c.ID)
	p.text(text(c.Bucket))
	p.key(c.Key)
	p.natural(c.Size)
	p.instant(c.Modified)
	p.natural(c.Alone)
}

type keptColumns struct {
	Detection string   `parquet:"detection,dict"`
	Kind      string   `parquet:"kind,dict"`
	IDNumber  int64    `parquet:"id_number,optional,delta"`
	IDUUID    [16]byte `parquet:"id_uuid,optional,uuid"`
	IDText    string   `parquet:"id_text,optional,delta"`
	Reason    string   `parquet:"reason,dict"`
}

func (p *page) kept(detection string, k *Kept) {
	p.must(detection)
	p.must(text(k.Kind))
	p.id(k.ID)
	p.must(text(k.Reason))
}

type relinkedColumns struct {
	Detection string   `parquet:"detection,dict"`
	Kind      string   `parquet:"kind,dict"`
	IDNumber  int64    `parquet:"id_number,optional,delta"`
	IDUUID    [16]byte `parquet:"id_uuid,optional,uuid"`
	IDText    string   `parquet:"id_text,optional,delta"`
	Status    string   `parquet:"status,dict"`
	Scan      string   `parquet:"scan,optional,dict"`
}

func (p *page) relinked(detection string, r *Relinked) {
	p.must(detection)
	p.must(text(r.Kind))
	p.id(r.ID)
	p.must(text(r.Status))
	p.text(r.Scan)
}

type missingColumns struct {
	Detection string   `parquet:"detection,dict"`
	Kind      string   `parquet:"kind,dict"`
	IDNumber  int64    `parquet:"id_number,optional,delta"`
	IDUUID    [16]byte `parquet:"id_uuid,optional,uuid"`
	IDText    string   `parquet:"id_text,optional,delta"`
	Bucket    string   `parquet:"bucket,optional,dict"`
	Key       string   `parquet:"key,optional,delta"`
	KeyBytes  []byte   `parquet:"key_bytes,optional"`
}

func (p *page) missing(detection string, m *Missing) {
	p.must(detection)
	p.must(text(m.Kind))
	p.id(m.ID)
	p.text(text(m.Bucket))
	p.key(m.Key)
}

type unindexedColumns struct {
	Detection string `parquet:"detection,dict"`
	Bucket    string `parquet:"bucket,optional,dict"`
	Key       string `parquet:"key,optional,delta"`
	KeyBytes  []byte `parquet:"key_bytes,optional"`
	Version   string `parquet:"version_id,optional"`
	Size      int64  `parquet:"size,optional"`
	Modified  int64  `parquet:"last_modified,optional,delta,timestamp(millisecond)"`
	How       string `parquet:"how,optional,dict"`
}

func (p *page) unindexed(detection string, u *Unindexed) {
	p.must(detection)
	p.text(text(u.Bucket))
	p.key(u.Key)
	p.text(text(u.Version))
	p.natural(u.Size)
	p.instant(u.Modified)
	p.text(text(u.How))
}

type unindexedKeptColumns struct {
	Detection string `parquet:"detection,dict"`
	Bucket    string `parquet:"bucket,optional,dict"`
	Key       string `parquet:"key,optional,delta"`
	KeyBytes  []byte `parquet:"key_bytes,optional"`
	Reason    string `parquet:"reason,dict"`
}

func (p *page) unindexedKept(detection string, u *UnindexedKept) {
	p.must(detection)
	p.text(text(u.Bucket))
	p.key(u.Key)
	p.must(text(u.Reason))
}

type nearMissColumns struct {
	Detection string   `parquet:"detection,dict"`
	Kind      string   `parquet:"kind,dict"`
	IDNumber  int64    `parquet:"id_number,optional,delta"`
	IDUUID    [16]byte `parquet:"id_uuid,optional,uuid"`
	IDText    string   `parquet:"id_text,optional,delta"`
	Bucket    string   `parquet:"bucket,optional,dict"`
	Key       string   `parquet:"key,optional,delta"`
	KeyBytes  []byte   `parquet:"key_bytes,optional"`
	Other     string   `parquet:"other_bucket,dict"`
}

func (p *page) nearMiss(detection string, n *NearMiss) {
	p.must(detection)
	p.must(text(n.Kind))
	p.id(n.ID)
	p.text(text(n.Bucket))
	p.key(n.Key)
	p.must(text(n.Other))
}

type ripeColumns struct {
	Detection string   `parquet:"detection,dict"`
	Kind      string   `parquet:"kind,dict"`
	IDNumber  int64    `parquet:"id_number,optional,delta"`
	IDUUID    [16]byte `parquet:"id_uuid,optional,uuid"`
	IDText    string   `parquet:"id_text,optional,delta"`
	Bucket    string   `parquet:"bucket,optional,dict"`
	Key       string   `parquet:"key,optional,delta"`
	KeyBytes  []byte   `parquet:"key_bytes,optional"`
	Verdict   string   `parquet:"verdict,dict"`
	Size      int64    `parquet:"size,optional"`
	Status    string   `parquet:"status,optional,dict"`
	Since     int64    `parquet:"since,optional,delta,timestamp(millisecond)"`
	Delays    bool     `parquet:"delays"`
	Cleared   bool     `parquet:"cleared"`
}

func (p *page) ripe(detection string, r *Ripe) {
	p.must(detection)
	p.must(text(r.Kind))
	p.id(r.ID)
	p.text(text(r.Bucket))
	p.key(r.Key)
	p.must(text(r.Verdict))
	p.natural(r.Size)
	p.text(text(r.Status))
	p.instant(r.Since)
	p.flag(r.Delays)
	p.flag(r.Cleared)
}

type transitionColumns struct {
	State     string   `parquet:"state,dict"`
	Batch     int32    `parquet:"batch,delta"`
	ID        string   `parquet:"transition,delta"`
	Scope     string   `parquet:"scope,dict"`
	Kind      string   `parquet:"kind,dict"`
	IDNumber  int64    `parquet:"id_number,optional,delta"`
	IDUUID    [16]byte `parquet:"id_uuid,optional,uuid"`
	IDText    string   `parquet:"id_text,optional,delta"`
	From      string   `parquet:"from_status,dict"`
	FromSince int64    `parquet:"from_since,optional,delta,timestamp(millisecond)"`
	To        string   `parquet:"to_status,dict"`
	Since     int64    `parquet:"since,optional,delta,timestamp(millisecond)"`
	Reason    string   `parquet:"reason,optional,dict"`
	Run       string   `parquet:"run,optional,dict"`
}

func (p *page) transition(state string, batch int, t *Transition) {
	p.must(text(state))
	p.small(batch)
	p.must(text(t.ID))
	p.must(text(t.Scope))
	p.must(text(t.Kind))
	p.id(t.Handle)
	p.must(text(t.From))
	p.instant(t.FromSince)
	p.must(text(t.To))
	p.instant(t.Since)
	p.text(text(t.Reason))
	p.text(text(t.Run))
}

type keptByHandColumns struct {
	Number   int32    `parquet:"number,delta"`
	Scope    string   `parquet:"scope,dict"`
	Kind     string   `parquet:"kind,dict"`
	IDNumber int64    `parquet:"id_number,optional,delta"`
	IDUUID   [16]byte `parquet:"id_uuid,optional,uuid"`
	IDText   string   `parquet:"id_text,optional,delta"`
	Keep     bool     `parquet:"keep"`
	Person   string   `parquet:"person,optional,dict"`
	Reason   string   `parquet:"reason,optional,dict"`
	Made     int64    `parquet:"made,optional,delta,timestamp(millisecond)"`
}

func (p *page) keptByHand(number int, k *KeptByHand) {
	p.small(number)
	p.must(text(k.Scope))
	p.must(text(k.Kind))
	p.id(k.ID)
	p.flag(k.Keep)
	p.text(text(k.Person))
	p.text(text(k.Reason))
	p.instant(k.Made)
}

type linkedByHandColumns struct {
	Number       int32    `parquet:"number,delta"`
	Scope        string   `parquet:"scope,dict"`
	Association  string   `parquet:"association,dict"`
	ObjectNumber int64    `parquet:"object_number,optional,delta"`
	ObjectUUID   [16]byte `parquet:"object_uuid,optional,uuid"`
	ObjectText   string   `parquet:"object_text,optional,delta"`
	Kind         string   `parquet:"kind,dict"`
	IDNumber     int64    `parquet:"id_number,optional,delta"`
	IDUUID       [16]byte `parquet:"id_uuid,optional,uuid"`
	IDText       string   `parquet:"id_text,optional,delta"`
	Linked       bool     `parquet:"linked"`
	Person       string   `parquet:"person,optional,dict"`
	Reason       string   `parquet:"reason,optional,dict"`
	Made         int64    `parquet:"made,optional,delta,timestamp(millisecond)"`
}

func (p *page) linkedByHand(number int, l *LinkedByHand) {
	p.small(number)
	p.must(text(l.Scope))
	p.must(text(l.Association))
	p.id(l.Object)
	p.must(text(l.Kind))
	p.id(l.ID)
	p.flag(l.Linked)
	p.text(text(l.Person))
	p.text(text(l.Reason))
	p.instant(l.Made)
}
