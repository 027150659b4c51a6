-- update: sets fields of a participant if the guards hold.
-- ARGV: 2 participant, 3 fields as JSON (null removes), 4 'announce' or '', 5 signald, 6 signald_epoch
local p = load(ARGV[2])
if not p then
  return refuse('not-found')
end
if not holds(ARGV[5], p.signald) or not holds(ARGV[6], p.signald_epoch) then
  return refuse('moved')
end
for key, value in pairs(cjson.decode(ARGV[3])) do
  if value == cjson.null then
    p[key] = nil
  else
    p[key] = value
  end
end
save(p)
local seq = ARGV[4] == 'announce' and announce('participant-updated', p) or 0
return '{"ok":true,"seq":' .. seq .. '}'
