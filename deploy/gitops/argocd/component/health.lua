-- What Argo CD shows of an ImageCache: Healthy when the cache can be used, Degraded when a person must act, otherwise
-- Progressing. It goes by the conditions alone, so a new reason needs no new line here.

local function condition(kind)
  if obj.status == nil or obj.status.conditions == nil then
    return nil
  end
  for _, candidate in ipairs(obj.status.conditions) do
    if candidate.type == kind then
      return candidate
    end
  end
  return nil
end

local ready = condition("Ready")
local stalled = condition("Stalled")
local health = {}

if ready == nil or obj.status.observedGeneration ~= obj.metadata.generation then
  -- What the conditions tell is about an older manifest, or nothing at all: they are not yet to be believed.
  health.status = "Progressing"
  health.message = "Waiting for the operator to look at this object"
else
  if stalled ~= nil and stalled.status == "True" then
    health.status = "Degraded"
  elseif ready.status == "True" then
    health.status = "Healthy"
  else
    health.status = "Progressing"
  end
  health.message = ready.reason .. ": " .. ready.message
end

if obj.metadata.deletionTimestamp ~= nil then
  -- Never Healthy while the cloud still has something to delete. Without deletionMessage Argo CD would only tell the
  -- name of the finalizer.
  if health.status == "Healthy" then
    health.status = "Progressing"
  end
  health.deletionMessage = health.message
end

return health
