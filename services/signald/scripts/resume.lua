-- resume: another socket takes a participant over, whoever had it before.
-- ARGV: 2 participant, 3 hash of the token's secret, 4 hash of the new one, 5 signald, 6 signald_epoch
local p = load(ARGV[2])
if not p or p.resume ~= ARGV[3] then
  return refuse('resume-expired')
end
p.resume, p.signald, p.signald_epoch = ARGV[4], ARGV[5], ARGV[6]
p.connected, p.detached_at = true, nil
save(p)
announce('participant-updated', p)
return '{"ok":true,"participant":' .. encode(p) .. ',' .. snapshot() .. '}'
