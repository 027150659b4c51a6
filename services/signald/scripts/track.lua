-- track: publishes, mutes or unpublishes one track.
-- ARGV: 2 participant, 3 action (publish, publish-muted, unpublish, mute, unmute), 4 source, 5 by (self, moderator),
--       6 width, 7 height
-- was: who had muted it; node: where it is. Both so that the caller can tell the media node.
local p = load(ARGV[2])
if not p then
  return refuse('not-found')
end
local action, source, by = ARGV[3], ARGV[4], ARGV[5]
local at
for i, t in ipairs(p.tracks) do
  if t.source == source then
    at = i
  end
end
local track = at and p.tracks[at]
local was = track and track.muted_by or cjson.null
if action == 'publish' or action == 'publish-muted' then
  local fresh = { source = source, muted = action == 'publish-muted',
                  muted_by = action == 'publish-muted' and 'self' or cjson.null,
                  width = tonumber(ARGV[6]), height = tonumber(ARGV[7]) }
  if was == 'moderator' then -- lifted by unmute only
    fresh.muted, fresh.muted_by = true, 'moderator'
  end
  p.tracks[at or #p.tracks + 1] = fresh
elseif not track then
  return refuse('not-found')
elseif action == 'unpublish' then
  table.remove(p.tracks, at)
elseif action == 'mute' then
  track.muted = true
  if was ~= 'moderator' or by == 'moderator' then
    track.muted_by = by
  end
else
  track.muted, track.muted_by = false, cjson.null
end
save(p)
local seq = announce('participant-updated', p)
return '{"ok":true,"seq":' .. seq .. ',"was":' .. cjson.encode(was) .. ',"node":' .. cjson.encode(p.node) .. '}'
